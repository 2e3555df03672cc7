// A story over the whole screen. Its page is closed in a frame of its own: it runs its script, tells which chapter it
// shows or that a person wants to leave, and reaches nothing else.

const TELL_AFTER = 350;
const instances = new WeakMap();

class Presentation {
  constructor(root) {
    this.root = root;
    this.timer = this.chapter = null;
    this.left = false;
    this.dialog = document.createElement("dialog");
    this.frame = document.createElement("iframe");
    this.frame.setAttribute("sandbox", "allow-scripts");
    this.dialog.append(this.frame);
    root.replaceChildren(this.dialog);
    this.frame.onload = () => {
      this.frame.focus();
      this.tellTheme();
      this.frame.style.opacity = 1;
    };
    this.dialog.oncancel = (event) => {  // Escape, with the focus outside the frame
      event.preventDefault();
      this.leave();
    };
    this.onMessage = ({ source, data }) => {
      if (source !== this.frame.contentWindow) return;
      if (data?.leave === true) this.leave();
      else if (Number.isInteger(data?.chapter)) this.tellLater(data.chapter);
    };
    addEventListener("message", this.onMessage);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.onTheme = () => setTimeout(() => this.tellTheme(), 300);  // once the page around has its new colours
    this.dark.addEventListener("change", this.onTheme);
  }

  receive({ page, title }, tell, leave) {
    this.tell = tell;
    this.askToLeave = leave;
    this.frame.title = title;
    this.dialog.setAttribute("aria-label", title);
    if (page !== this.page) {
      this.page = page;
      this.frame.style.opacity = 0;  // until it knows the theme
      this.frame.srcdoc = page;
    }
    if (!this.dialog.open && !this.left) this.dialog.showModal();
  }

  tellTheme() {
    const [red, green, blue] = getComputedStyle(this.dialog).backgroundColor.match(/[\d.]+/g).map(Number);
    const theme = red + green + blue < 384 ? "dark" : "light";
    this.frame.contentWindow?.postMessage({ theme }, "*");
  }

  tellLater(chapter) {
    clearTimeout(this.timer);
    if (this.chapter !== null) this.timer = setTimeout(() => this.tell("chapter", chapter), TELL_AFTER);
    this.chapter = chapter;
  }

  leave() {
    clearTimeout(this.timer);
    this.left = true;
    this.dialog.close();  // at once; that gives the focus back to what had it before
    this.askToLeave("leave", this.chapter ?? 0);
  }

  end() {
    clearTimeout(this.timer);
    this.dialog.close();
    removeEventListener("message", this.onMessage);
    this.dark.removeEventListener("change", this.onTheme);
  }
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".presentation");
  if (!instances.has(root)) instances.set(root, new Presentation(root));
  instances.get(root).receive(data, setStateValue, setTriggerValue);
  return () => {
    instances.get(root)?.end();
    instances.delete(root);
  };
}
