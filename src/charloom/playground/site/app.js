/** The page: its tabs, its sentences when something goes wrong, and what the tabs share. */

import { LONGEST, readAddress, tooLong, writeAddress } from "./address.js";
import { chooseBackend } from "./backend.js";
import { ClassifyPage } from "./classify_page.js";
import { byId, element, whenQuiet } from "./dom.js";
import { ReadPage } from "./read_page.js";
import { TypePage } from "./type_page.js";
import { WritePage } from "./write_page.js";

const TABS = [
  { name: "write", label: "Write", Page: WritePage, can: (model) => model.kind === "language" },
  { name: "read", label: "Read", Page: ReadPage, can: (model) => model.applications.includes("score") },
  { name: "type", label: "Type", Page: TypePage, can: (model) => model.applications.includes("complete") },
  { name: "classify", label: "Tell apart", Page: ClassifyPage, can: (model) => model.kind === "classifier" },
];
const notices = new Map();

/** Show a sentence until it is closed, or until `withdraw`; each tab has its own of a name. */
function notice(name, sentence, tab = "") {
  withdraw(name, tab);
  const close = element("button", { type: "button", class: "quiet", onclick: () => withdraw(name, tab) }, "Close");
  const shown = element("div", { class: `notice ${name}` }, element("p", {}, sentence), close);
  notices.set(`${name} ${tab}`, shown);
  byId("notices").append(shown);
}

function withdraw(name, tab = "") {
  notices.get(`${name} ${tab}`)?.remove();
  notices.delete(`${name} ${tab}`);
}

function say(sentence) {
  byId("said").textContent = sentence;
}

function onError(error, tab = "") {
  if (error.name === "AbortError") return;
  if (error.lost) notice("lost", error.message);
  else notice("error", error.message, tab);
  if (error.name !== "BackendError") throw error;
}

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    say(done);
  } catch {
    notice("error", "The browser does not let this page copy; select the text and copy it yourself.");
  }
}

/** Say so if a box is too small for what is pasted; the browser cuts the rest off. */
function whatFits({ target, clipboardData }) {
  withdraw("error", "paste");
  if (!(target.maxLength > 0)) return;
  const pasted = clipboardData.getData("text").replaceAll("\r\n", "\n").length;
  const others = target.value.length - (target.selectionEnd - target.selectionStart);
  if (others + pasted <= target.maxLength) return;
  const most = target.maxLength.toLocaleString("en");
  notice("error", `At most ${most} characters fit here; the end of what you pasted was cut off.`, "paste");
}

function askForKey() {
  const dialog = byId("key");
  byId("key-value").value = "";
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    const answer = () => resolve(dialog.returnValue === "use" ? byId("key-value").value : null);
    dialog.addEventListener("close", answer, { once: true });
  });
}

/** Say so if the address has a text that is too long for it. */
function whatTheAddressHolds() {
  withdraw("error", "address");
  if (!tooLong().some((name) => name === "prompt" || name === "text")) return;
  const most = LONGEST.toLocaleString("en");
  notice("error", `The text in this address has more than ${most} characters, so it was left out; paste it instead.`, "address");
}

/** The tabs of the models at hand; returns a function that shows one of them. */
function show(context, address) {
  for (const page of context.pages.values()) page.close?.();
  const pages = new Map();
  const tabs = TABS.map((tab) => ({ ...tab, models: context.models.filter(tab.can) })).filter((tab) => tab.models.length);
  const open = ({ name }) => {
    for (const tab of tabs) {
      const chosen = tab.name === name;
      tab.button.setAttribute("aria-selected", String(chosen));
      tab.button.tabIndex = chosen ? 0 : -1;
      pages.get(tab.name).element.hidden = !chosen;
    }
    context.mode = name;
    context.onChange();
  };
  for (const tab of tabs) {
    withdraw("error", tab.name);
    const own = { onError: (error) => onError(error, tab.name), withdraw: (name) => withdraw(name, tab.name) };
    const page = new tab.Page({ ...context, ...own, models: tab.models, onChange: () => context.onChange() }, address);
    const about = { id: `tab-${tab.name}`, type: "button", role: "tab", "aria-controls": `page-${tab.name}` };
    tab.button = element("button", { ...about, onclick: () => open(tab) }, tab.label);
    page.element.id = `page-${tab.name}`;
    page.element.setAttribute("role", "tabpanel");
    page.element.setAttribute("aria-labelledby", tab.button.id);
    pages.set(tab.name, page);
  }
  byId("tabs").replaceChildren(...tabs.map((tab) => tab.button));
  byId("pages").replaceChildren(...[...pages.values()].map((page) => page.element));
  byId("tabs").onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const now = tabs.findIndex((tab) => tab.button === document.activeElement);
    const next = tabs[(now + step + tabs.length) % tabs.length];
    next.button.focus();
    open(next);
  };
  context.pages = pages;
  context.go = (name, text) => {
    open({ name });
    pages.get(name).begin(text);
  };
  open(tabs.find((tab) => tab.name === address.get("mode")) ?? tabs[0]);
}

async function start() {
  const context = { notice, say, copy, onError, mode: "write", pages: new Map(), go: () => {} };
  const write = () => writeAddress({ mode: context.mode, ...context.pages.get(context.mode)?.address() });
  context.onChange = whenQuiet(150, write);
  context.backend = await chooseBackend({ askForKey });
  context.shared = (...values) => context.go(...values);
  const load = async () => {
    context.models = await context.backend.models();
    if (!context.models.length) throw new Error("no models");
    show(context, readAddress());
  };
  const compare = async () => {
    const same = JSON.stringify(await context.backend.models()) === JSON.stringify(context.models);
    if (!same) notice("other", "The server has other models now; load the page again to use them.");
  };
  context.backend.watch((reachable) => {
    if (!reachable) return notice("lost", "The server does not answer. Your text is safe; looking for the server …");
    withdraw("lost");
    say("The server is back.");
    (context.models ? compare() : load()).catch(onError);
  });
  addEventListener("paste", whatFits);
  addEventListener("hashchange", () => {
    whatTheAddressHolds();
    if (context.models) show(context, readAddress());
  });
  whatTheAddressHolds();
  await load();
}

start().catch(onError);
