// The linked view of an evolution. All steps are here at once, so that scrubbing asks the server for nothing; what was
// chosen is told to it a moment later. Texts of models and datasets are set as text, never as HTML.

const SECONDS_PER_STEP = 4, TELL_AFTER = 350, FIRST_CHANGES = 3;
const SIGNS = { gained: "+", strengthened: "▲", weakened: "▼", dropped: "−" };
const MARKS = {
  supported: ["✓", "supported"], unsupported: ["✕", "not supported"], uncheckable: ["?", "not checkable"],
};
const WANT_ARROWS = "input, textarea, select, [contenteditable], canvas, [role=slider], [role=tab], [role=radio], " +
  "[role=combobox], [role=listbox], [role=menu], [role=grid], [role=dialog], .linked-evolution";
const WANT_SPACE = "button, a, summary, label, [role=button]";
const instances = new WeakMap();

/** An element with attributes and children; strings become text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const number = (value, digits) => (value === null ? "–" : value.toFixed(digits));
const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** What is lit together: movies, statements and changes of a step. */
class Links {
  constructor(data, step) {
    Object.assign(this, { data, step });
    this.shown = step.sections.flatMap((section) => section.lines.map((line) => line[0]));
  }

  statementsOf(ref) { return this.shown.filter((index) => this.data.statements[index].items.includes(ref)); }

  changesOf(ref) { return this.step.changes.flatMap((change, at) => (change.cited.includes(ref) ? [at] : [])); }

  /** Keys of all that belongs to one: `m2:3` a movie, `s4` a statement, `c1` a change, `e` the explanation. */
  of(key) {
    const keys = new Set(key ? [key] : []), rest = key?.slice(1);
    if (key?.[0] === "m") {
      this.statementsOf(rest).forEach((index) => keys.add(`s${index}`));
      this.changesOf(rest).forEach((at) => keys.add(`c${at}`));
    } else if (key?.[0] === "s") {
      this.data.statements[rest].items.forEach((ref) => keys.add(`m${ref}`));
      this.step.changes.forEach((change, at) => change.statement === +rest && keys.add(`c${at}`));
    } else if (key?.[0] === "c") {
      const { cited, statement } = this.step.changes[rest];
      cited.forEach((ref) => typeof ref === "string" && keys.add(`m${ref}`));
      if (statement !== null) keys.add(`s${statement}`);
    } else if (key === "e") {
      this.step.explanation.items.forEach((ref) => keys.add(`m${ref}`));
    }
    return keys;
  }
}

class LinkedEvolution {
  constructor(root) {
    this.root = root;
    this.told = 0;
    this.playing = this.timer = this.dragging = null;
    this.hovered = this.focused = this.pinned = null;
    this.timeline = make("div", { class: "timeline" });
    this.body = make("div", { class: "body", role: "tabpanel", id: "step" });
    this.status = make("p", { class: "hidden", "aria-live": "polite" });
    root.replaceChildren(this.timeline, this.body, this.status);
    this.listen();
  }

  // ---- what comes from the server, and goes to it ---------------------------------------------------------------

  receive(data, tell) {
    this.tell = tell;
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
    this.timer = setTimeout(() => {
      this.timer = null;
      this.told += 1;
      this.tell("choice", { step: this.step, told: this.told, items: this.pinnedItems() });
    }, TELL_AFTER);
  }

  /** Ids of the movies of this batch that what is pinned rests on; the page shows their details. */
  pinnedItems() {
    const lit = this.links.of(this.pinned);
    return this.pinned ? this.current.items.filter((item) => lit.has(`m${item.ref}`)).map((item) => item.id) : [];
  }

  // ---- the timeline ---------------------------------------------------------------------------------------------

  get current() { return this.data.steps[this.step - 1]; }

  movie(ref) {
    const [step, index] = ref.split(":");
    return this.data.steps[step - 1].items[index];
  }

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
      make("span", { class: "bars", "aria-hidden": "true" }, bars),
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

  // ---- a step ---------------------------------------------------------------------------------------------------

  drawBody() {
    const { step } = this, nouns = this.data.nouns;
    const concluded = make("section", { class: "concluded", "aria-labelledby": "concluded" },
      make("h3", { id: "concluded", "data-anchor": "concluded" }, "What it concluded"), this.drawChanges());
    const profile = make("section", { class: "profile", "aria-labelledby": "profile" },
      make("h3", { id: "profile", "data-anchor": "profile" }, `The profile after step ${step}`), this.drawProfile());
    const movies = make("section", { class: "movies", "aria-labelledby": "movies" },
      make("div", { class: "heading" },
        make("h3", { id: "movies", "data-anchor": "movies" }, "What it expected, what was given"),
        make("span", { class: "quiet" }, "largest surprise first")),
      make("p", { class: "legend" },
        make("span", {}, make("i", { class: "ring", "aria-hidden": "true" }), " forecast"),
        make("span", {}, make("i", { class: "dot", "aria-hidden": "true" }), " actual rating"),
        make("span", { class: "warn" }, `orange: off by more than ${this.data.surprise}`)),
      this.drawMovies());
    this.body.replaceChildren(this.drawReason(), make("div", { class: "columns" },
      movies, make("div", { class: "column" }, concluded, profile)),
    make("p", { class: "hint" }, `Hover or focus a statement to light the ${nouns.many} behind it, or the other way ` +
      "round. Enter or a click pins it, Esc unpins. ← → change the step, ↑ ↓ go through a list, Space plays."));
  }

  drawReason() {
    const { explanation, items, span, days, rmse, baseline, missing } = this.current;
    const facts = [`${plural(items.length, "rating")} given within ${span}${days ? `, ${days}` : ""}`];
    if (rmse !== null) {
      facts.push(`forecast error ${number(rmse, 2)}; the running mean would have been off by ${number(baseline, 2)}`);
    }
    if (missing) facts.push(`${plural(missing, "forecast")} missing`);
    return make("section", { class: "why", "aria-labelledby": "why" },
      make("h3", { id: "why", class: "kicker" }, `Why it changed at step ${this.step}`),
      this.pressable("e", "p", { class: "reason" }, this.pieces(explanation.pieces)),
      make("p", { class: "facts" }, facts.join(" · ")),
      this.pinned === "e" ? this.drawEvidence(explanation.verdict) : null);
  }

  drawMovies() {
    const { scale, nouns } = this.data, { items } = this.current;
    const at = (value) => `${100 * (value - scale.lowest) / (scale.highest - scale.lowest)}%`;
    const off = (item) => (item.forecast === null ? -1 : Math.abs(item.forecast - item.rating));
    const ticks = () => scale.ticks.map((tick) => make("u", { style: `left:${at(tick)}` }));
    const rows = [...items].sort((a, b) => off(b) - off(a)).map((item) => {
      const track = make("span", { class: "track", "aria-hidden": "true" }, ticks());
      if (item.forecast !== null) {
        const [from, to] = [item.forecast, item.rating].sort((a, b) => a - b);
        track.append(make("s", { style: `left:${at(from)};right:calc(100% - ${at(to)})` }),
          make("i", { class: "ring", style: `left:${at(item.forecast)}` }));
      }
      track.append(make("i", { class: "dot", style: `left:${at(item.rating)}` }));
      const forecast = item.forecast === null ? "no forecast" : `forecast ${number(item.forecast, 1)}`;
      const causes = this.links.statementsOf(item.ref).length + this.links.changesOf(item.ref).length;
      const key = `m${item.ref}`;
      return make("li", { class: "item" }, this.pressable(key, "div", {
        class: `movie ${item.surprise ? "surprise" : ""}`,
        "aria-label": `${item.title}: ${forecast}, actual rating ${item.rating}${item.surprise ? ", a surprise" : ""}; ` +
          `behind ${plural(causes, "statement or change", "statements and changes")}`,
      }, make("span", { class: "title", title: item.title }, item.title), track,
      make("span", { class: "figures" }, item.forecast === null ? "none" : number(item.forecast, 1), " → ",
        make("b", {}, String(item.rating)))),
      this.pinned === key ? this.drawMovieDetails(item, causes) : null);
    });
    return make("div", { class: "panel" },
      make("div", { class: "axis", "aria-hidden": "true" }, make("span", { class: "track" },
        scale.ticks.map((tick) => make("em", { style: `left:${at(tick)}` }, String(tick))))),
      this.group("ul", `The ${nouns.many} of step ${this.step}`, "movies-list", rows));
  }

  drawMovieDetails(item, causes) {
    return make("p", { class: "details" },
      make("span", { class: "quiet" }, [item.year, ...item.genres].filter(Boolean).join(" · ")),
      item.failure ? make("span", {}, `No forecast: ${item.failure}`) : null,
      item.reason ? make("span", {}, make("b", {}, "Forecast because: "), item.reason) : null,
      make("span", { class: "quiet" }, `Behind ${plural(causes, "statement or change", "statements and changes")}.`));
  }

  drawChanges() {
    const { changes, verdicts } = this.current;
    if (!changes.length) return [make("p", { class: "quiet" }, "No changes reported at this step.")];
    const cards = changes.map((change, at) => this.drawChange(change, at));
    const first = changes.length > FIRST_CHANGES + 1 ? FIRST_CHANGES : changes.length;
    const checkable = (verdicts.supported ?? 0) + (verdicts.unsupported ?? 0);
    const checked = make("p", { class: "quiet" }, checkable
      ? `${verdicts.supported ?? 0} of ${plural(checkable, "statement")} that can be checked are supported by the ratings.`
      : "");
    if (first === changes.length) return [this.group("ul", "Changes", "changes", cards), checked];
    const rest = changes.slice(first), doubted = rest.filter((c) => c.verdict?.verdict === "unsupported").length;
    const fold = make("details", { class: "fold", "data-fold": first, open: this.unfolded },
      make("summary", {}, `${rest.length} smaller changes`,
        doubted ? make("span", { class: "warn" }, `, ${doubted} not supported`) : ""),
      this.group("ul", "Smaller changes", "smaller-changes", cards.slice(first)));
    fold.ontoggle = () => { this.unfolded = fold.open; };
    return [this.group("ul", "The changes that explain most", "changes", cards.slice(0, first)), fold, checked];
  }

  drawChange(change, at) {
    const worse = change.direction === "weakened" || change.direction === "dropped";
    return make("li", { class: "item" }, this.pressable(`c${at}`, "div", { class: "change" },
      make("span", { class: "change-head" },
        make("span", { class: worse ? "warn" : "good" },
          make("span", { "aria-hidden": "true" }, `${SIGNS[change.direction]} `), make("b", {}, change.direction)),
        make("b", { class: "aspect" }, change.aspect), this.mark(change.verdict)),
      make("span", { class: "chips" }, change.cited.map((cited) => this.chip(cited))),
      change.verdict ? make("span", { class: "quiet" }, change.verdict.why) : null));
  }

  drawProfile() {
    const { about, sections, removed } = this.current;
    const replaced = sections.flatMap((section) => section.lines.filter(([, , old]) => old));
    const blocks = sections.map(({ heading, lines }) => make("div", { class: "section", "data-anchor": `in ${heading}` },
      make("h4", {}, heading), make("ul", {}, lines.map((line) => this.drawStatement(...line)))));
    const gone = [
      replaced.length ? `${replaced.length} changed` : "", removed.length ? `${removed.length} removed` : "",
    ].filter(Boolean).join(", ");
    const fold = gone ? make("details", { class: "fold" }, make("summary", {}, `What it said before: ${gone}`),
      make("ul", { class: "before" },
        replaced.map(([, , old]) => make("li", {}, make("span", { class: "tag" }, "changed"), make("del", {}, old))),
        removed.map((old) => make("li", {}, make("span", { class: "tag" }, "removed"), make("del", {}, old))))) : null;
    return make("div", { class: "panel" }, make("p", { class: "quiet" }, about),
      this.group("div", "Statements of the profile", "statements", blocks), fold,
      sections.length ? null : make("p", { class: "quiet" }, "Nothing is known yet."));
  }

  drawStatement(index, status, old) {
    const statement = this.data.statements[index], { verdict, since } = statement, key = `s${index}`;
    const tag = old ? "changed" : status === "added" ? "new" : "";
    const open = this.pinned === key, doubted = verdict?.verdict === "unsupported";
    return make("li", { class: tag ? "item fresh" : "item" }, this.pressable(key, "div", { class: "statement" },
      this.pieces(statement.pieces), " ", tag ? make("span", { class: "tag" }, tag) : null, " ",
      this.mark(verdict, !doubted)),
    open || doubted ? make("div", { class: "details" },
      doubted || (open && verdict) ? this.drawEvidence(verdict) : null,
      open && !verdict ? make("span", { class: "quiet" }, "Nothing in it was checked against the ratings.") : null,
      open && old ? make("span", {}, make("b", {}, "Before: "), make("del", {}, old)) : null,
      open && !tag ? make("span", { class: "quiet" }, `Unchanged since step ${since}.`) : null) : null);
  }

  // ---- parts ----------------------------------------------------------------------------------------------------

  drawEvidence(verdict) {
    if (!verdict) return null;
    return make("span", { class: "evidence" }, this.mark(verdict), " ", make("span", {}, verdict.why), " ",
      make("span", { class: "chips" }, (verdict.evidence ?? []).map((cited) => this.chip(cited))));
  }

  /** The audit's verdict; brief: its sign alone, which a screen reader says in words. */
  mark(verdict, brief = false) {
    if (!verdict) return null;
    const [sign, word] = MARKS[verdict.verdict];
    return make("span", { class: `mark ${verdict.verdict}`, title: verdict.why },
      make("span", { "aria-hidden": "true" }, brief ? sign : `${sign} `),
      make("span", { class: brief ? "hidden" : "" }, word));
  }

  chip(cited) {
    if (typeof cited !== "string") {
      return make("span", { class: "chip stray" }, cited.title, " ", make("b", {}, cited.rating ?? "not rated"));
    }
    const movie = this.movie(cited);
    return make("span", { class: "chip", "data-link": `m${cited}` }, movie.title, " ", make("b", {}, String(movie.rating)));
  }

  pieces(pieces) {
    return pieces.map(([text, ref]) => (ref ? make("span", { class: "named", "data-link": `m${ref}` }, text) : text));
  }

  /** Something that is lit by pointer and focus and pinned by a press. */
  pressable(key, tag, attributes, ...children) {
    const element = make(tag, {
      role: "button", tabindex: "-1", "data-key": key, "data-link": key, "aria-pressed": String(this.pinned === key), ...attributes,
    }, ...children);
    if (key === "e") element.tabIndex = 0;
    return element;
  }

  /** A list that Tab enters once and arrows go through. */
  group(tag, label, name, children) {
    const list = make(tag, { class: `list ${name}`, role: "group", "aria-label": `${label}; arrow keys go through it` });
    list.append(...(tag === "ul" ? [make("ul", {}, children)] : children));
    const pressables = [...list.querySelectorAll("[data-key]")];
    if (pressables.length) (pressables.find((e) => e.dataset.key === this.pinned) ?? pressables[0]).tabIndex = 0;
    return list;
  }

  find(key) { return this.body.querySelector(`[data-key="${key}"]`); }

  // ---- light, pins and keys -------------------------------------------------------------------------------------

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
    const name = { m: () => this.movie(this.pinned.slice(1)).title, e: () => "the explanation",
      s: () => this.data.statements[this.pinned.slice(1)].text, c: () => this.current.changes[this.pinned.slice(1)].aspect };
    if (this.pinned === this.pin.dataset.pinned) return;
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
    this.tellLater();
  }

  listen() {
    const keyOf = (event) => event.target.closest?.("[data-key]")?.dataset.key ?? null;
    const set = (field, key) => { if (this[field] !== key) { this[field] = key; this.light(); } };
    this.body.onpointerover = (event) => { if (event.pointerType !== "touch") set("hovered", keyOf(event)); };
    this.body.onpointerleave = () => set("hovered", null);
    this.body.onfocusin = (event) => set("focused", event.target.matches(":focus-visible") ? keyOf(event) : null);
    this.body.onfocusout = () => set("focused", null);
    this.body.onclick = (event) => {
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
      const from = event.composedPath()[0];
      if (event.defaultPrevented || from.closest?.(event.key === " " ? `${WANT_ARROWS}, ${WANT_SPACE}` : WANT_ARROWS)) return;
      if (this.press(event, false)) event.preventDefault();
    };
    this.onRelease = () => { this.dragging = null; };
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("pointerup", this.onRelease);
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
    const step = { ArrowLeft: this.step - 1, ArrowRight: this.step + 1, ...(onTab ? { Home: 1, End: count } : {}) }[event.key];
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
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".linked-evolution");
  if (!instances.has(root)) instances.set(root, new LinkedEvolution(root));
  const view = instances.get(root);
  view.receive(data, setStateValue);
  return () => {
    view.end();
    instances.delete(root);
  };
}
