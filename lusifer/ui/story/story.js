"use strict";
// Keys through the chapters; everything is printed, folded parts too. Nothing is loaded or sent.
// Presented by the app, one chapter fills the screen, and the page around this one is told which.
(() => {
  const root = document.documentElement;
  const chapters = [...document.querySelectorAll(".chapter")];
  const links = [...document.querySelectorAll("nav a")];
  const presented = "present" in root.dataset;
  const part = (id) => document.getElementById(id);
  const tell = (message) => parent.postMessage(message, "*"); // a number or a word, and no secret
  let at = 0;
  let until = 0; // while a jump scrolls, chapters that pass by are not the current one

  const mark = (index) => {
    at = index;
    links.forEach((link, i) => {
      if (i === index) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    const bar = links[index].closest("ol");
    const box = links[index].getBoundingClientRect();
    bar.scrollLeft += box.left + box.width / 2 - bar.getBoundingClientRect().left - bar.clientWidth / 2;
  };
  const show = (index) => {
    chapters.forEach((chapter, i) => (chapter.hidden = i !== index));
    scrollTo({ top: 0, behavior: "instant" });
    part("place").textContent = `${index + 1} of ${chapters.length}`;
    part("name").textContent = links[index].textContent;
    part("back").disabled = index === 0;
    part("next").disabled = index === chapters.length - 1;
  };
  const focus = () => chapters[at].querySelector("h1, h2").focus({ preventScroll: true });
  const go = (index) => {
    const target = Math.max(0, Math.min(chapters.length - 1, index));
    until = performance.now() + 900;
    mark(target);
    if (presented) show(target);
    else chapters[target].scrollIntoView();
    focus();
    if (presented) tell({ chapter: target + 1 });
  };
  links.forEach((link, index) =>
    link.addEventListener("click", (event) => {
      event.preventDefault();
      go(index);
    }),
  );
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (presented && event.key === "Escape") tell({ leave: true });
    const keys = { ArrowRight: at + 1, ArrowLeft: at - 1 };
    if (presented) Object.assign(keys, { PageDown: at + 1, PageUp: at - 1, Home: 0, End: chapters.length - 1 });
    if (!(event.key in keys)) return;
    event.preventDefault();
    go(keys[event.key]);
  });
  if (presented) {
    part("back").addEventListener("click", () => go(at - 1));
    part("next").addEventListener("click", () => go(at + 1));
    part("leave").addEventListener("click", () => tell({ leave: true }));
    addEventListener("message", (event) => {
      if (event.source !== parent) return;
      root.dataset.theme = event.data.theme;
      if (document.activeElement === document.body) focus(); // the frame was given the focus only now
    });
    go(Number(root.dataset.present) - 1);
    return;
  }
  addEventListener(
    "scroll",
    () => {
      if (performance.now() < until) return;
      const line = innerHeight / 3;
      const index = chapters.findLastIndex((chapter) => chapter.getBoundingClientRect().top <= line);
      if (Math.max(index, 0) !== at) mark(Math.max(index, 0));
    },
    { passive: true },
  );
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((fold) => (fold.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((fold) => (fold.open = false)));
  mark(0);
})();
