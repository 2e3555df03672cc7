// A profile forming, step after step. Texts of models and datasets are set as text, never as HTML.

const LOOP_SECONDS = 30, PHASES = ["forecast", "seen", "concluded"], PHASE_STARTS = [0, 0.2, 0.36];
const SIGNS = { gained: "+", strengthened: "▲", weakened: "▼", dropped: "−" };
const instances = new WeakMap();

class ProfileLoop {
  constructor(root) {
    this.root = root;
    this.timer = null;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.onStill = () => { if (this.still.matches) this.pause(); };
    this.still.addEventListener("change", this.onStill);
    root.onkeydown = (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
      const focused = this.marks.indexOf(root.getRootNode().activeElement);
      this.choose((focused < 0 ? this.at : focused) + by);
      event.preventDefault();
      event.stopPropagation();
    };
  }

  receive(data) {
    if (data.evolution === this.data?.evolution && data.steps.length === this.data.steps.length) return;
    this.pause();
    this.data = data;
    this.draw();
    // Who wants no motion sees the last step whole, and goes through the others by hand.
    if (this.still.matches || data.steps.length < 2) this.show(data.steps.length - 1, PHASES.length - 1);
    else this.play(0);
  }

  draw() {
    const { steps, who } = this.data;
    this.count = make("b", { class: "count" });
    this.toggle = make("button", { class: "toggle", type: "button" });
    this.toggle.onclick = () => (this.timer ? this.pause() : this.play(this.phase === PHASES.length - 1
      ? (this.at + 1) % steps.length : this.at));
    this.panels = steps.map((step) => this.drawStep(step));
    this.marks = steps.map((step, at) => {
      const mark = make("button", { type: "button", class: "mark", "aria-label": `Step ${step.number}` }, make("i"));
      mark.onclick = () => this.choose(at);
      return mark;
    });
    this.status = make("p", { class: "hidden", "aria-live": "polite" });
    this.root.replaceChildren(
      make("div", { class: "head" }, make("div", {}, this.count, " ", make("span", { class: "quiet" }, who)),
        steps.length > 1 ? this.toggle : null),
      make("div", { class: "stage" }, this.panels),
      make("div", { class: "marks", role: "group", "aria-label": "Steps; arrow keys go through" }, this.marks),
      this.status);
    this.drawToggle();
  }

  drawStep(step) {
    const { scale, nouns } = this.data;
    const at = (value) => `${100 * (value - scale.lowest) / (scale.highest - scale.lowest)}%`;
    const phases = [`forecasts ${step.count} ratings`, "sees what was given", "rewrites its picture"];
    const rows = step.movies.map((movie) => {
      const [from, to] = [movie.forecast, movie.rating].sort((a, b) => a - b);
      return make("li", { class: `movie${movie.surprise ? " surprise" : ""}${movie.cited ? " cited" : ""}` },
        make("span", { class: "title", title: movie.title }, movie.title),
        make("span", { class: "track", "aria-hidden": "true" },
          scale.ticks.map((tick) => make("u", { style: `left:${at(tick)}` })),
          make("s", { style: `left:${at(from)};right:calc(100% - ${at(to)})` }),
          make("i", { class: "ring", style: `left:${at(movie.forecast)}` }),
          make("i", { class: "dot", style: `--from:${at(movie.forecast)};--to:${at(movie.rating)}` })),
        make("span", { class: "figures" },
          make("span", { class: "hidden" }, "forecast "), number(movie.forecast, 1),
          make("span", { class: "given" }, " → ", make("span", { class: "hidden" }, "actual rating "),
            make("b", {}, String(movie.rating)))));
    });
    const changes = step.changes.map((change) => {
      const worse = change.direction === "weakened" || change.direction === "dropped";
      return make("li", {}, make("span", { class: worse ? "warn" : "good" },
        make("span", { "aria-hidden": "true" }, `${SIGNS[change.direction]} `), make("b", {}, change.direction)),
      " ", make("b", {}, change.aspect));
    });
    return make("section", { class: "step", "aria-label": `Step ${step.number}` },
      make("ol", { class: "phases" }, phases.map((text) => make("li", {}, text))),
      make("div", { class: "legend", "aria-hidden": "true" },
        make("span", {}, make("i", { class: "ring" }), " forecast"),
        make("span", {}, make("i", { class: "dot" }), " actual rating"),
        make("span", { class: "warn" }, "orange: a surprise")),
      rows.length ? make("ul", { class: "movies" }, rows)
        : make("p", { class: "quiet" }, `No forecasts of these ${nouns.many}.`),
      make("p", { class: "reason" }, step.explanation),
      make("div", { class: "concluded" },
        changes.length ? make("ul", { class: "changes" }, changes) : null,
        make("p", { class: "profile" }, make("b", {}, plural(step.statements, "statement")),
          ` about this person now, ${step.new} new: `,
          make("span", { class: "quiet" }, step.newest.map((text) => `“${text}”`).join(" ")))));
  }

  drawToggle() {
    this.toggle.replaceChildren(make("span", { "aria-hidden": "true" }, this.timer ? "❚❚ " : "▶ "),
      this.timer ? "Pause" : "Play");
  }

  show(at, phase) {
    const { steps } = this.data;
    this.at = at;
    this.phase = phase;
    this.count.textContent = `Step ${steps[at].number} of ${steps.length}`;
    for (const [index, panel] of this.panels.entries()) {
      panel.classList.toggle("shown", index === at);
      panel.dataset.phase = index === at ? PHASES[phase] : PHASES[0];
      panel.querySelectorAll(".phases li").forEach((item, number) => {
        item.classList.toggle("done", number <= phase);
        if (number === phase) item.setAttribute("aria-current", "step");
        else item.removeAttribute("aria-current");
      });
    }
    for (const [index, mark] of this.marks.entries()) {
      mark.classList.toggle("done", index <= at);
      if (index === at) mark.setAttribute("aria-current", "step");
      else mark.removeAttribute("aria-current");
    }
  }

  play(at) {
    clearTimeout(this.timer);
    const seconds = LOOP_SECONDS / this.data.steps.length;
    const next = (index, phase) => {
      this.show(index, phase);
      const until = (PHASE_STARTS[phase + 1] ?? 1) - PHASE_STARTS[phase];
      this.timer = setTimeout(() => {
        if (!this.root.isConnected) this.pause();
        else if (phase + 1 < PHASES.length) next(index, phase + 1);
        else next((index + 1) % this.data.steps.length, 0);
      }, 1000 * seconds * until);
    };
    next(at, 0);
    this.drawToggle();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.toggle) this.drawToggle();
  }

  /** Go to a step because a person said so: it stays there, whole. */
  choose(at) {
    if (at < 0 || at >= this.data.steps.length) return;
    this.pause();
    this.show(at, PHASES.length - 1);
    if (this.marks.includes(this.root.getRootNode().activeElement)) this.marks[at].focus();
    this.status.textContent = `Step ${at + 1}: ${this.data.steps[at].explanation}`;
  }

  end() {
    this.pause();
    this.still.removeEventListener("change", this.onStill);
  }
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".profile-loop");
  if (!instances.has(root)) instances.set(root, new ProfileLoop(root));
  instances.get(root).receive(data);
  return () => {
    instances.get(root)?.end();
    instances.delete(root);
  };
}
