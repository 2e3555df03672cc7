// What the other scripts of the linked view build on. They are joined into one before a browser gets them.

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

/** The movie of a reference `step:index`. */
function movieOf(data, ref) {
  const [step, index] = ref.split(":");
  return data.steps[step - 1].items[index];
}

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
