// The editor of a template. The text belongs to the browser while somebody types; it is told a moment later. Texts of
// models and datasets are set as text, never as HTML.

const TELL_AFTER = 900, SHOWN = 8;
const instances = new WeakMap();

/** An element with attributes and children; strings become text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== ""));
  return element;
}

class TemplateEditor {
  constructor(root) {
    this.root = root;
    this.timer = null;
    this.options = [];
    this.chosen = 0;
    this.layer = make("div", { class: "layer", "aria-hidden": "true" });
    this.field = make("textarea", {
      spellcheck: "false", autocapitalize: "off", autocomplete: "off", autocorrect: "off",
      "aria-autocomplete": "list", "aria-controls": "options", "aria-describedby": "keys problems",
    });
    this.list = make("div", { class: "options", role: "listbox", id: "options", "aria-label": "Completions", hidden: "" });
    this.paper = make("div", { class: "paper" }, this.layer, this.field, this.list);
    this.scroll = make("div", { class: "scroll" }, this.paper);
    this.problems = make("ul", { class: "problems", id: "problems" });
    this.keys = make("p", { class: "keys", id: "keys" },
      "Completion opens in {{ }} and {% %} or with Ctrl+Space; arrows and Enter choose, Esc closes. Ctrl+Z undoes.");
    this.status = make("p", { class: "hidden", "aria-live": "polite" });
    this.side = make("div", { class: "side" });
    const main = make("div", { class: "main" }, this.scroll, this.problems, this.keys, this.status);
    root.replaceChildren(make("div", { class: "columns" }, main, this.side));
    this.listen();
  }

  // ---- what comes from the server, and goes to it ---------------------------------------------------------------

  receive(data, tell) {
    const other = data.document !== this.data?.document;
    if (other) this.tellNow();
    this.tell = tell;
    this.data = data;
    this.field.setAttribute("aria-label", data.label);
    if (other) {
      this.field.value = data.text;
      this.told = data.text;
      this.close();
    }
    this.draw();
    this.drawSide();
  }

  tellLater() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tellNow(), TELL_AFTER);
  }

  tellNow() {
    clearTimeout(this.timer);
    this.timer = null;
    if (!this.tell || this.field.value === this.told) return;
    this.told = this.field.value;
    this.tell("edit", { text: this.told });
  }

  // ---- the text -------------------------------------------------------------------------------------------------

  draw() {
    const lines = colourLines(this.field.value);
    const current = this.field.value === this.data.text;  // else the lines of the mistakes are of an older text
    const wrong = new Map(this.data.problems.filter((p) => p.line).map((p) => [p.line, p.message]));
    this.layer.style.setProperty("--digits", String(lines.length).length);
    this.field.style.setProperty("--digits", String(lines.length).length);
    this.layer.replaceChildren(...lines.map((pieces, at) => make("div", {
      class: current && wrong.has(at + 1) ? "line wrong" : "line", "data-number": at + 1,
    }, pieces.length ? pieces.map(([text, kind]) => (kind ? make("span", { class: kind }, text) : text)) : "\u200b")));
    this.field.setAttribute("aria-invalid", String(this.data.problems.length > 0));
    this.root.classList.toggle("stale", !current);
    this.problems.replaceChildren(...this.data.problems.map(({ line, message }) => {
      if (!line) return make("li", {}, message);
      const go = make("button", { type: "button" }, `Line ${line}`);
      go.onclick = () => this.goTo(line);
      return make("li", {}, go, ` ${message}`);
    }));
  }

  goTo(line) {
    const start = this.field.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    this.field.focus();
    this.field.setSelectionRange(start, start);
    this.layer.children[line - 1]?.scrollIntoView({ block: "nearest" });
  }

  /** Replace a part of the text so that Ctrl+Z takes it back, and set the caret. */
  replace(from, to, text, caret = text.length) {
    this.field.focus({ preventScroll: true });
    this.field.setSelectionRange(from, to);
    if (!document.execCommand("insertText", false, text)) this.field.setRangeText(text, from, to, "end");
    this.field.setSelectionRange(from + caret, from + caret);
    this.draw();
    this.close();
    this.tellLater();
  }

  /** Put a variable where the caret is: in a tag its name alone, elsewhere with braces around. */
  insert(variable) {
    const { selectionStart: from, selectionEnd: to, value } = this.field;
    const name = variable.is_function ? `${variable.name}()` : variable.name;
    const inside = variable.is_function ? name.length - 1 : name.length;
    if (tagAt(value, from)) this.replace(from, to, name, inside);
    else this.replace(from, to, `{{ ${name} }}`, variable.is_function ? inside + 3 : name.length + 6);
    this.status.textContent = `${variable.name} inserted`;
  }

  // ---- completion -----------------------------------------------------------------------------------------------

  suggest(asked = false) {
    const { selectionStart: place, selectionEnd: end, value } = this.field;
    const found = place === end ? complete(value, place, this.data, asked) : { options: [] };
    if (!found.options.length) return this.close();
    this.found = found;
    this.options = found.options;
    this.chosen = 0;
    this.list.replaceChildren(...this.options.map((option, at) => {
      const element = make("div", { role: "option", id: `option-${at}`, class: "option" },
        make("b", {}, option.name), make("span", {}, option.doc));
      element.onpointerdown = (event) => { event.preventDefault(); this.accept(at); };
      return element;
    }));
    this.list.hidden = false;
    this.placeList(found.from);
    this.mark();
    this.status.textContent = `${this.options.length} completions`;
  }

  placeList(place) {
    const line = this.field.value.slice(0, place).split("\n"), row = this.layer.children[line.length - 1];
    const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT), range = document.createRange();
    let left = line.at(-1).length, node = walker.nextNode();
    while (node && left > node.length) { left -= node.length; node = walker.nextNode(); }
    range.setStart(node ?? row, node ? Math.min(left, node.length) : 0);
    range.collapse(true);
    const box = range.getClientRects()[0] ?? row.getBoundingClientRect(), paper = this.paper.getBoundingClientRect();
    const wide = this.list.offsetWidth, view = this.scroll.getBoundingClientRect(), high = this.list.offsetHeight;
    this.list.style.left = `${Math.max(0, Math.min(box.left - paper.left, paper.width - wide - 8))}px`;
    const below = box.bottom - paper.top + 4, above = box.top - paper.top - high - 4;
    this.list.style.top = `${box.bottom + high + 8 > view.bottom && above >= 0 ? above : below}px`;
  }

  mark() {
    for (const [at, element] of [...this.list.children].entries()) {
      element.setAttribute("aria-selected", String(at === this.chosen));
      if (at === this.chosen) this.list.scrollTop = element.offsetTop - 2 * element.offsetHeight;
    }
    this.field.setAttribute("aria-activedescendant", `option-${this.chosen}`);
  }

  accept(at) {
    const { from } = this.found, option = this.options[at], place = this.field.selectionStart;
    const value = this.field.value, tag = tagAt(value, from), rest = value.slice(place).split("\n")[0];
    const name = option.is_function ? `${option.name}()` : option.name;
    const inside = option.is_function ? name.length - 1 : name.length;
    if (!tag) return this.replace(from, place, `{{ ${name} }}`, option.is_function ? inside + 3 : name.length + 6);
    const closes = /^[^{]*\}\}/.test(rest) || tag === "{%";
    const space = /\{\{-?$/.test(value.slice(0, from)) ? " " : "";
    this.replace(from, place, space + name + (closes ? "" : " }}"),
      space.length + (closes || option.is_function ? inside : name.length + 3));
  }

  close() {
    this.options = [];
    this.list.hidden = true;
    this.field.removeAttribute("aria-activedescendant");
  }

  // ---- the list of variables ------------------------------------------------------------------------------------

  drawSide() {
    const items = this.data.variables.map((variable) => {
      const button = make("button", { type: "button", title: variable.value ? `Here: ${variable.value}` : false },
        make("b", {}, variable.is_function ? `${variable.name}( )` : variable.name),
        make("span", { class: "doc" }, variable.doc));
      button.onpointerdown = (event) => event.preventDefault();  // the caret stays where it is
      button.onclick = () => this.insert(variable);
      return make("li", {}, button);
    });
    const focused = [...this.side.querySelectorAll("button")].indexOf(this.root.getRootNode().activeElement);
    this.side.replaceChildren(make("h4", {}, "Variables"), make("p", { class: "keys" }, "Press one to insert it."),
      make("ul", { "aria-label": "Variables of this template" }, items));
    if (focused >= 0) this.side.querySelectorAll("button")[focused]?.focus({ preventScroll: true });
  }

  // ---- events ---------------------------------------------------------------------------------------------------

  listen() {
    this.field.oninput = (event) => {
      this.draw();
      this.tellLater();
      const typed = event.inputType?.startsWith("insert") || event.inputType === "deleteContentBackward";
      if (typed && event.inputType !== "insertFromPaste") this.suggest();
    };
    this.field.onblur = () => { this.close(); this.tellNow(); };
    this.field.onpointerdown = () => this.close();
    this.field.onkeydown = (event) => {
      if (!this.press(event)) return;
      event.preventDefault();
      event.stopPropagation();
    };
    this.onPress = (event) => { if (!event.composedPath().includes(this.root)) this.tellNow(); };
    document.addEventListener("pointerdown", this.onPress, true);
  }

  /** What a key does; whether it did something. */
  press(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return this.tellNow(), true;
    if (event.ctrlKey && event.key === " ") return this.suggest(true), true;
    if (!this.options.length || event.ctrlKey || event.metaKey || event.altKey) return false;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: SHOWN, PageUp: -SHOWN }[event.key];
    if (step) {
      const last = this.options.length - 1;
      this.chosen = Math.abs(step) > 1
        ? Math.max(0, Math.min(last, this.chosen + step)) : (this.chosen + step + last + 1) % (last + 1);
      return this.mark(), true;
    }
    if (event.key === "Enter" || event.key === "Tab") return this.accept(this.chosen), true;
    if (event.key === "Escape") return this.close(), true;
    if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) this.close();
    return false;
  }

  end() {
    clearTimeout(this.timer);
    document.removeEventListener("pointerdown", this.onPress, true);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".template-editor");
  if (!instances.has(root)) instances.set(root, new TemplateEditor(root));
  const editor = instances.get(root);
  editor.receive(data, setStateValue);
  return () => {
    editor.end();
    instances.delete(root);
  };
}
