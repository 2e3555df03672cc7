"use strict";
// Arrow keys through the chapters; everything is printed, folded parts too. Nothing is loaded or sent.
(() => {
  const chapters = [...document.querySelectorAll(".chapter")];
  const links = [...document.querySelectorAll("nav a")];
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
  const go = (index) => {
    const target = Math.max(0, Math.min(chapters.length - 1, index));
    until = performance.now() + 900;
    mark(target);
    chapters[target].scrollIntoView();
    chapters[target].querySelector("h1, h2").focus({ preventScroll: true });
  };
  links.forEach((link, index) =>
    link.addEventListener("click", (event) => {
      event.preventDefault();
      go(index);
    }),
  );
  document.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(at + step);
  });
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
    folded.forEach((part) => (part.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((part) => (part.open = false)));
  mark(0);
})();
