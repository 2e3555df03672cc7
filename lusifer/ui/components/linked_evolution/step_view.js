// The step that is shown, as elements: why the profile changed, its movies, changes and statements.

const FIRST_CHANGES = 3, FIRST_CHIPS = 6;
const SIGNS = { gained: "+", strengthened: "▲", weakened: "▼", dropped: "−" };
const MARKS = {
  supported: ["✓", "supported"], unsupported: ["✕", "not supported"], uncheckable: ["?", "not checkable"],
};

class StepView {
  /** `links`: of the step; `pinned`: the key of what shows its evidence; `fold.open`: whether all changes are shown. */
  constructor(data, links, pinned, fold) {
    Object.assign(this, { data, links, pinned, fold, current: links.step });
  }

  draw() {
    const { nouns } = this.data;
    const concluded = make("section", { class: "concluded", "aria-labelledby": "concluded" },
      make("h3", { id: "concluded", "data-anchor": "concluded" }, "What it concluded"), this.drawChanges());
    const profile = make("section", { class: "profile", "aria-labelledby": "profile" },
      make("h3", { id: "profile", "data-anchor": "profile" }, `The profile after step ${this.current.number}`),
      this.drawProfile());
    const movies = make("section", { class: "movies", "aria-labelledby": "movies" },
      make("div", { class: "heading" },
        make("h3", { id: "movies", "data-anchor": "movies" }, "What it expected, what was given"),
        make("span", { class: "quiet" }, "largest surprise first",
          this.current.rmse !== null ? this.callLink("forecast", "the call that forecast them", " · ") : "")),
      make("p", { class: "legend" },
        make("span", {}, make("i", { class: "ring", "aria-hidden": "true" }), " forecast"),
        make("span", {}, make("i", { class: "dot", "aria-hidden": "true" }), " actual rating"),
        make("span", { class: "warn" }, `orange: error above ${this.data.surprise}`)),
      this.drawMovies());
    return [this.drawReason(), make("div", { class: "columns" },
      movies, make("div", { class: "column" }, concluded, profile)),
    make("p", { class: "hint" }, `Hover or focus a statement to light the ${nouns.many} behind it, or the other way ` +
      "round. Enter or a click pins it, Esc unpins. ← → change the step, ↑ ↓ go through a list, Space plays.")];
  }

  drawReason() {
    const { explanation, items, span, days, rmse, baseline, missing } = this.current;
    const facts = [`${plural(items.length, "rating")} given within ${span}${days ? `, ${days}` : ""}`];
    if (rmse !== null) {
      facts.push(`forecast error ${number(rmse, 2)}; running-mean baseline ${number(baseline, 2)}`);
    }
    if (missing) facts.push(`${plural(missing, "forecast")} missing`);
    return make("section", { class: "why", "aria-labelledby": "why" },
      make("h3", { id: "why", class: "kicker" }, `Why it changed at step ${this.current.number}`),
      this.pressable("e", "p", { class: "reason" }, this.pieces(explanation.pieces)),
      make("p", { class: "facts" }, facts.join(" · "), this.callLink("update", "The call that wrote this", " · ")),
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
      const causes = this.causedBy(item.ref);
      const key = `m${item.ref}`;
      return make("li", { class: "item" }, this.pressable(key, "div", {
        class: `movie ${item.surprise ? "surprise" : ""}`,
        "aria-label": `${item.title}: ${forecast}, actual rating ${item.rating}` +
          `${item.surprise ? ", a surprise" : ""}; ` +
          `behind ${plural(causes.length, "statement or change", "statements and changes")}`,
      }, make("span", { class: "title", title: item.title }, item.title), track,
      make("span", { class: "figures" }, item.forecast === null ? "none" : number(item.forecast, 1), " → ",
        make("b", {}, String(item.rating)))),
      this.pinned === key ? this.drawMovieDetails(item, causes) : null);
    });
    return make("div", { class: "panel" },
      make("div", { class: "axis", "aria-hidden": "true" }, make("span", { class: "track" },
        scale.ticks.map((tick) => make("em", { style: `left:${at(tick)}` }, String(tick))))),
      this.group("ul", `The ${nouns.many} of step ${this.current.number}`, "movies-list", rows));
  }

  drawMovieDetails(item, causes) {
    return make("div", { class: "details" },
      make("span", { class: "quiet" }, [item.year, ...item.genres].filter(Boolean).join(" · ")),
      item.failure ? make("span", {}, `No forecast: ${item.failure}`) : null,
      item.reason ? make("span", {}, make("b", {}, "Forecast because: "), item.reason,
        this.callLink("forecast", "the call", " · ")) : null,
      make("span", { class: "quiet" },
        `Behind ${plural(causes.length, "statement or change", "statements and changes")}.`),
      // Where the view is one column, what is lit is far away.
      make("ul", { class: "caused" }, causes.map((text) => make("li", {}, text))));
  }

  /** The changes and statements that rest on a movie. */
  causedBy(ref) {
    const changes = this.links.changesOf(ref).map((at) => this.current.changes[at]);
    return [...changes.map((change) => `${SIGNS[change.direction]} ${change.direction}: ${change.aspect}`),
      ...this.links.statementsOf(ref).map((index) => this.data.statements[index].text)];
  }

  drawChanges() {
    const { changes, verdicts } = this.current;
    if (!changes.length) return [make("p", { class: "quiet" }, "No changes reported at this step.")];
    const cards = changes.map((change, at) => this.drawChange(change, at));
    const first = changes.length > FIRST_CHANGES + 1 ? FIRST_CHANGES : changes.length;
    const checkable = (verdicts.supported ?? 0) + (verdicts.unsupported ?? 0);
    const checked = make("p", { class: "quiet" }, checkable
      ? `${verdicts.supported ?? 0} of ${plural(checkable, "statement")} that can be checked ` +
        `${verdicts.supported === 1 ? "is" : "are"} supported by the ratings.` : "");
    if (first === changes.length) return [this.group("ul", "Changes", "changes", cards), checked];
    const rest = changes.slice(first), doubted = rest.filter((c) => c.verdict?.verdict === "unsupported").length;
    const fold = make("details", { class: "fold", "data-fold": first, open: this.fold.open },
      make("summary", {}, `${rest.length} smaller changes`,
        doubted ? make("span", { class: "warn" }, `, ${doubted} not supported`) : ""),
      this.group("ul", "Smaller changes", "smaller-changes", cards.slice(first)));
    fold.ontoggle = () => { this.fold.open = fold.open; };
    return [this.group("ul", "The changes that explain most", "changes", cards.slice(0, first)), fold, checked];
  }

  drawChange(change, at) {
    const worse = change.direction === "weakened" || change.direction === "dropped";
    return make("li", { class: "item" }, this.pressable(`c${at}`, "div", { class: "change" },
      make("span", { class: "change-head" },
        make("span", { class: worse ? "warn" : "good" },
          make("span", { "aria-hidden": "true" }, `${SIGNS[change.direction]} `), make("b", {}, change.direction)),
        make("b", { class: "aspect" }, change.aspect), this.mark(change.verdict)),
      this.drawChips(change.cited, this.pinned === `c${at}`),
      change.verdict ? make("span", { class: "quiet" }, change.verdict.why) : null),
    this.pinned === `c${at}` ? make("div", { class: "details" },
      this.callLink("update", "The call that reported this change")) : null);
  }

  drawProfile() {
    const { about, sections, removed } = this.current;
    const replaced = sections.flatMap((section) => section.lines.filter(([, , old]) => old));
    const blocks = sections.map(({ heading, lines }) => make("div", { "data-anchor": `in ${heading}` },
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
      open && !tag ? make("span", { class: "quiet" }, `Unchanged since step ${since}.`) : null,
      open ? this.callLink("update", "The call that wrote this statement", "", since) : null) : null);
  }

  /** A link to the call that a text comes from; nothing where no call wrote it. */
  callLink(purpose, text, before = "", step = this.current.number) {
    const href = this.data.calls?.[step - 1]?.[purpose];
    return href ? make("span", {}, before,
      make("a", { class: "call-link", href, "data-call": `${step}/${purpose}` }, text)) : null;
  }

  // ---- parts ----------------------------------------------------------------------------------------------------

  drawEvidence(verdict) {
    if (!verdict) return null;
    return make("span", { class: "evidence" }, this.mark(verdict), " ", make("span", {}, verdict.why), " ",
      this.drawChips(verdict.evidence ?? [], true));
  }

  drawChips(cited, all) {
    const shown = all || cited.length <= FIRST_CHIPS + 1 ? cited : cited.slice(0, FIRST_CHIPS);
    const more = cited.length - shown.length;
    return make("span", { class: "chips" }, shown.map((one) => this.chip(one)),
      more ? make("span", { class: "quiet" }, `and ${more} more`) : null);
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
    const movie = movieOf(this.data, cited);
    const rating = make("b", {}, String(movie.rating));
    return make("span", { class: "chip", "data-link": `m${cited}` }, movie.title, " ", rating);
  }

  pieces(pieces) {
    return pieces.map(([text, ref]) => (ref ? make("span", { class: "named", "data-link": `m${ref}` }, text) : text));
  }

  /** Something that is lit by pointer and focus and pinned by a press. */
  pressable(key, tag, attributes, ...children) {
    const element = make(tag, {
      role: "button", tabindex: key === "e" ? "0" : "-1", "data-key": key, "data-link": key,
      "aria-pressed": String(this.pinned === key), ...attributes,
    }, ...children);
    return element;
  }

  /** A list that Tab enters once and arrows go through. */
  group(tag, label, name, children) {
    const list = make("div", { class: `list ${name}`, role: "group", "aria-label": `${label}; arrow keys go through` },
      tag === "ul" ? make("ul", {}, children) : children);
    const pressables = [...list.querySelectorAll("[data-key]")];
    if (pressables.length) (pressables.find((e) => e.dataset.key === this.pinned) ?? pressables[0]).tabIndex = 0;
    return list;
  }
}
