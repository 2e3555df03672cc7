// The linked view of an evolution. All steps are here at once, so that scrubbing asks the server for nothing; what was
// chosen is told to it a moment later. Texts of models and datasets are set as text, never as HTML.

const SECONDS_PER_STEP = 4, TELL_AFTER = 350;
const WANT_ARROWS = "input, textarea, select, [contenteditable], canvas, [role=slider], [role=tab], [role=radio], " +
  "[role=combobox], [role=listbox], [role=menu], [role=grid], [role=dialog], .linked-evolution";
const WANT_SPACE = "button, a, summary, label, [role=button]";
const instances = new WeakMap();

class LinkedEvolution {
  constructor(root) {
    this.root = root;
    this.told = 0;
    this.playing = this.timer = this.dragging = null;
    this.hovered = this.focused = this.pinned = null;
    this.fold = { open: false };
    this.timeline = make("div", { class: "timeline" });
    this.body = make("div", { class: "body", role: "tabpanel", id: "step" });
    this.status = make("p", { class: "hidden", "aria-live": "polite" });
    root.replaceChildren(this.timeline, this.body, this.status);
    this.listen();
  }

  // ---- what comes from the server, and goes to it ---------------------------------------------------------------

  receive(data, tell, openCall) {
    this.tell = tell;
    this.openCall = (call) => openCall("call", call);
    const other = data.evolution !== this.data?.evolution, more = data.steps.length !== this.data?.steps.length;
    const behind = data.told < this.told || this.timer !== null;  // it has not heard the last choice yet
    this.data = data;
    if (other) {
      this.told = data.told;
      this.pinned = this.hovered = this.focused = null;
      this.pause();
    }
    if (other || more) this.drawTimeline();
    const step = other || !behind ? data.step : this.step;
    if (other || more || step !== this.step) this.show(Math.min(step, data.steps.length), false);
  }

  tellLater() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tellNow(), TELL_AFTER);
  }

  /** Tell what is still to be told: before something else on the page is pressed, which would be overtaken by it. */
  tellNow() {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.told += 1;
    this.tell("choice", { step: this.step, told: this.told, items: this.pinnedItems() });
  }

  /** Ids of the movies of this batch that what is pinned rests on; the page shows their details. */
  pinnedItems() {
    const lit = this.links.of(this.pinned);
    return this.pinned ? this.current.items.filter((item) => lit.has(`m${item.ref}`)).map((item) => item.id) : [];
  }

  // ---- the timeline ---------------------------------------------------------------------------------------------

  get current() { return this.data.steps[this.step - 1]; }

  drawTimeline() {
    const { lowest, highest } = this.data.scale;
    this.play = make("button", { class: "play", type: "button" });
    this.play.onclick = () => (this.playing ? this.pause() : this.start());
    this.drawPlay();
    this.cards = make("div", { class: "cards", role: "tablist", "aria-label": "Steps of the evolution" });
    for (const step of this.data.steps) {
      const bars = step.items.map((item) => make("i", {
        "data-link": `m${item.ref}`, class: item.surprise ? "surprise" : "",
        style: `--height:${15 + 85 * (item.rating - lowest) / (highest - lowest)}%`,
      }));
      const changes = plural(step.changes.length, "change");
      const error = step.rmse === null ? "no forecast" : `forecast error ${number(step.rmse, 2)}`;
      const card = make("button", {
        class: "card", type: "button", role: "tab", id: `tab-${step.number}`, "aria-controls": "step",
        "aria-label": `Step ${step.number}, ${step.days ? `${step.days}, ` : ""}` +
          `${plural(step.items.length, "rating")} within ${step.span}, ${error}, ${changes}`,
      },
      make("span", { class: "card-head" }, make("b", {}, `Step ${step.number}`), make("span", {}, step.short_days)),
      make("span", { class: bars.length > 24 ? "bars dense" : "bars", "aria-hidden": "true" }, bars),
      make("span", { class: "card-foot" }, "forecast error ", make("b", {}, number(step.rmse, 2)), ` · ${changes}`));
      card.onclick = () => this.choose(step.number);
      this.cards.append(card);
    }
    this.pin = make("div", { class: "pin" });
    const row = make("div", { class: "timeline-row" }, this.data.steps.length > 1 ? this.play : null, this.cards);
    this.timeline.replaceChildren(row, this.pin);
    this.cards.onpointerdown = (event) => { this.dragging = event.pointerType !== "touch"; };
    this.cards.onpointermove = (event) => this.scrub(event);
  }

  scrub(event) {
    if (!this.dragging || event.buttons !== 1) return;
    const box = this.cards.getBoundingClientRect();
    if (event.clientX > box.right - 24) this.cards.scrollLeft += 12;
    if (event.clientX < box.left + 24) this.cards.scrollLeft -= 12;
    const at = [...this.cards.children].findIndex((card) => event.clientX <= card.getBoundingClientRect().right);
    if (at >= 0 && at + 1 !== this.step) this.choose(at + 1, true);
  }

  drawPlay() {
    this.play.replaceChildren(
      make("span", { "aria-hidden": "true" }, this.playing ? "❚❚ " : "▶ "),
      make("span", { class: "play-word" }, this.playing ? "Pause" : "Play"));
    this.play.setAttribute("aria-keyshortcuts", "Space");
  }

  start() {
    if (this.data.steps.length < 2) return;
    if (this.step === this.data.steps.length) this.choose(1);
    this.playing = setInterval(() => {
      this.choose(this.step + 1, false, true);
      if (this.step === this.data.steps.length) this.pause();
    }, SECONDS_PER_STEP * 1000);
    this.drawPlay();
  }

  pause() {
    clearInterval(this.playing);
    this.playing = null;
    if (this.play) this.drawPlay();
  }

  /** Go to a step because a person (or the player) said so. */
  choose(step, dragged = false, played = false) {
    if (!played) this.pause();
    if (step < 1 || step > this.data.steps.length || step === this.step) return;
    this.show(step, dragged);
    this.tellLater();
  }

  show(step, dragged) {
    const anchor = this.anchor();
    const focus = this.root.getRootNode().activeElement?.dataset?.key;
    const pinned = this.pinned?.[0] === "s" ? this.data.statements[this.pinned.slice(1)]?.text : null;
    this.step = step;
    this.links = new Links(this.data, this.current);
    if (pinned) {
      const same = this.current.sections.flatMap((s) => s.lines)
        .find(([at, , old]) => this.data.statements[at].text === pinned || old === pinned);
      this.pinned = same ? `s${same[0]}` : null;
    } else if (this.pinned?.[0] !== "m") this.pinned = null;
    this.hovered = this.focused = null;
    for (const [at, card] of [...this.cards.children].entries()) {
      card.setAttribute("aria-selected", at + 1 === step);
      card.tabIndex = at + 1 === step ? 0 : -1;
    }
    if (!dragged) this.bringIntoView(this.cards.children[step - 1]);
    this.body.setAttribute("aria-labelledby", `tab-${step}`);
    this.drawBody();
    this.status.textContent = `Step ${step} of ${this.data.steps.length}`;
    if (focus) (this.find(focus) ?? this.cards.children[step - 1]).focus({ preventScroll: true });
    this.keepPlace(anchor);
    this.light();
  }

  bringIntoView(card) {
    const left = card.offsetLeft - this.cards.offsetLeft, view = this.cards;
    if (left < view.scrollLeft) view.scrollLeft = left - 8;
    const right = left + card.offsetWidth;
    if (right > view.scrollLeft + view.clientWidth) view.scrollLeft = right - view.clientWidth + 8;
  }

  /** What a person looks at, and where it stands: the section of the focus, else the first one below the timeline. */
  anchor() {
    const below = this.timeline.getBoundingClientRect().bottom;
    if (this.body.getBoundingClientRect().top >= below - 1) return null;  // the top is in sight: nothing to keep
    const focused = this.root.getRootNode().activeElement?.closest?.("[data-anchor]");
    for (const element of [focused, ...this.body.querySelectorAll("[data-anchor]")]) {
      const box = element?.getBoundingClientRect();
      if (!box?.height || box.bottom <= below || box.top >= innerHeight) continue;
      const sticks = getComputedStyle(element.closest("section") ?? element).position === "sticky";
      if (!sticks) return [element.dataset.anchor, box.top];
    }
    return null;
  }

  keepPlace(anchor) {
    const element = anchor && this.body.querySelector(`[data-anchor="${anchor[0]}"]`);
    if (element) this.scroller()?.scrollBy(0, element.getBoundingClientRect().top - anchor[1]);
  }

  scroller() {
    let node = this.root.getRootNode().host ?? this.root;
    while (node && !(node.scrollHeight > node.clientHeight && /auto|scroll/.test(getComputedStyle(node).overflowY))) {
      node = node.parentElement;
    }
    return node;
  }

  // ---- light, pins and keys -------------------------------------------------------------------------------------

  drawBody() {
    this.body.replaceChildren(...new StepView(this.data, this.links, this.pinned, this.fold).draw());
  }

  find(key) { return this.body.querySelector(`[data-key="${key}"]`); }

  light() {
    const lit = this.links.of(this.hovered ?? this.focused ?? this.pinned);
    for (const element of this.root.querySelectorAll("[data-link]")) {
      element.classList.toggle("lit", lit.has(element.dataset.link));
    }
    for (const fold of this.root.querySelectorAll("[data-fold]")) {
      const folded = [...lit].some((key) => key[0] === "c" && +key.slice(1) >= +fold.dataset.fold);
      fold.firstElementChild.classList.toggle("lit", folded);
    }
    this.drawPin();
  }

  drawPin() {
    const rest = this.pinned?.slice(1);
    const name = {
      m: () => movieOf(this.data, rest).title,
      e: () => "the explanation",
      s: () => this.data.statements[rest].text,
      c: () => this.current.changes[rest].aspect,
    };
    if ((this.pinned ?? "") === (this.pin.dataset.pinned ?? "")) return;
    this.pin.dataset.pinned = this.pinned ?? "";
    if (!this.pinned) return this.pin.replaceChildren();
    const unpin = make("button", { type: "button" }, "Unpin");
    unpin.onclick = () => this.setPin(null);
    this.pin.replaceChildren(make("span", {}, "Pinned: ", make("b", {}, name[this.pinned[0]]())), unpin);
  }

  setPin(key) {
    const before = this.pinned;
    this.pinned = before === key ? null : key;
    if (before === this.pinned) return;
    const focus = this.root.getRootNode().activeElement?.dataset?.key ?? before;
    const anchor = (focus ?? key) && this.find(focus ?? key)?.getBoundingClientRect().top;
    this.drawBody();
    const element = this.find(focus ?? key);
    element?.focus({ preventScroll: true });
    if (element && anchor !== undefined) this.scroller()?.scrollBy(0, element.getBoundingClientRect().top - anchor);
    this.light();
    this.status.textContent = this.pinned ? this.describePin() : "Nothing is pinned";
    this.tellLater();
  }

  /** What a screen reader says of a pin: what eyes see lit. */
  describePin() {
    const lit = [...this.links.of(this.pinned)].filter((key) => key !== this.pinned);
    const texts = lit.map((key) => ({
      m: () => movieOf(this.data, key.slice(1)).title,
      s: () => this.data.statements[key.slice(1)].text,
      c: () => `${this.current.changes[key.slice(1)].direction} ${this.current.changes[key.slice(1)].aspect}`,
    })[key[0]]());
    return texts.length ? `Pinned. It belongs to: ${texts.join("; ")}` : "Pinned";
  }

  listen() {
    const keyOf = (event) => event.target.closest?.("[data-key]")?.dataset.key ?? null;
    const set = (field, key) => { if (this[field] !== key) { this[field] = key; this.light(); } };
    this.body.onpointerover = (event) => { if (event.pointerType !== "touch") set("hovered", keyOf(event)); };
    this.body.onpointerleave = () => set("hovered", null);
    this.body.addEventListener("focusin", (event) => {
      set("focused", event.target.matches(":focus-visible") ? keyOf(event) : null);
    });
    this.body.addEventListener("focusout", () => set("focused", null));
    this.body.onclick = (event) => {
      const call = event.target.closest?.("[data-call]");
      if (call) {  // another tab loads the address; here the session goes on
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        return this.openCall(call.dataset.call);
      }
      const key = keyOf(event);
      if (key && !String(getSelection())) this.setPin(key);
    };
    this.root.onkeydown = (event) => {  // no value: `false` would keep Tab from going on
      if (!this.press(event, true)) return;
      event.preventDefault();
      event.stopPropagation();
    };
    // Elsewhere on the page too, as long as nothing there wants the key for itself.
    this.onKey = (event) => {
      const busy = event.key === " " ? `${WANT_ARROWS}, ${WANT_SPACE}` : WANT_ARROWS;
      if (event.defaultPrevented || event.composedPath()[0].closest?.(busy)) return;
      if (this.press(event, false)) event.preventDefault();
    };
    this.onRelease = () => { this.dragging = null; };
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("pointerup", this.onRelease);
    this.onPress = (event) => { if (!event.composedPath().includes(this.root)) this.tellNow(); };
    document.addEventListener("pointerdown", this.onPress, true);
    this.root.addEventListener("focusout", (event) => {
      if (!this.root.contains(event.relatedTarget)) this.tellNow();
    });
    this.sizes = new ResizeObserver(() => {
      const header = document.querySelector("[data-testid=stHeader]")?.offsetHeight ?? 0;
      this.root.style.setProperty("--top", `${header}px`);
      this.root.style.setProperty("--timeline", `${this.timeline.offsetHeight}px`);
    });
    this.sizes.observe(this.timeline);
  }

  /** What a key does; whether it did something. */
  press(event, inside) {
    if (event.altKey || event.ctrlKey || event.metaKey) return false;
    const target = event.composedPath()[0], key = inside ? target.closest?.("[data-key]")?.dataset.key : null;
    const count = this.data.steps.length, onTab = inside && target.getAttribute?.("role") === "tab";
    const steps = { ArrowLeft: this.step - 1, ArrowRight: this.step + 1, ...(onTab ? { Home: 1, End: count } : {}) };
    const step = steps[event.key];
    if (step !== undefined) {
      this.choose(step);
      if (onTab) this.cards.children[this.step - 1].focus({ preventScroll: true });
      return true;
    }
    if (event.key === "Escape" && this.pinned) return this.setPin(null), true;
    if (key && (event.key === "Enter" || event.key === " ")) return this.setPin(key), true;
    if (event.key === " " && (onTab || !inside)) return this.playing ? this.pause() : this.start(), true;
    const list = key && { ArrowUp: -1, ArrowDown: 1 }[event.key] && target.closest(".list");
    if (!list) return false;
    const all = [...list.querySelectorAll("[data-key]")];
    const next = all[all.indexOf(target) + (event.key === "ArrowUp" ? -1 : 1)];
    if (next) {
      all.forEach((element) => { element.tabIndex = element === next ? 0 : -1; });
      next.focus();
    }
    return true;
  }

  end() {
    this.pause();
    clearTimeout(this.timer);
    this.sizes.disconnect();
    document.removeEventListener("keydown", this.onKey);
    document.removeEventListener("pointerup", this.onRelease);
    document.removeEventListener("pointerdown", this.onPress, true);
  }
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".linked-evolution");
  if (!instances.has(root)) instances.set(root, new LinkedEvolution(root));
  const view = instances.get(root);
  view.receive(data, setStateValue, setTriggerValue);
  return () => {
    view.end();
    instances.delete(root);
  };
}
