// A conversation while it is written down: saved by itself, and sentences added without loading the page anew.
// Invariant: what is typed goes to this machine's own server only, which seals it; nothing is kept in the browser.

const QUIET = 1_500; // ms without a key before it is saved
const LONGEST = 5_000; // ms it waits at most while somebody types on

const form = document.querySelector("[data-draft]");
const told = form.querySelector("[data-saved]");
const rows = form.querySelector("[data-rows]");
const blank = form.querySelector("[data-blank]");
let timer = 0;
let since = 0;
let saving = null;
let changed = false;
let stopped = false;

function tell(text) {
  told.textContent = text;
}

async function save() {
  clearTimeout(timer);
  if (saving) {
    await saving;
    if (!changed) return;
  }
  changed = false;
  since = 0;
  const body = new FormData(form);
  body.set("quiet", "1");
  saving = send(body);
  await saving;
  saving = null;
}

async function send(body) {
  try {
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
    const said = await answer.json();
    if (!answer.ok) {
      stopped = true; // somebody else saved it, or it is recorded: nothing is written over
      tell(said.sentence);
      told.classList.add("sentence");
      return;
    }
    form.elements.version.value = said.version;
    if (!changed) tell(told.dataset.savedText);
  } catch {
    changed = true;
    tell(told.dataset.lostText);
    timer = setTimeout(save, LONGEST);
  }
}

function typed() {
  if (stopped) return;
  changed = true;
  since ||= Date.now();
  tell(told.dataset.typingText);
  clearTimeout(timer);
  timer = setTimeout(save, Math.max(0, Math.min(QUIET, since + LONGEST - Date.now())));
}

function count() {
  [...rows.children].forEach((row, at) => {
    row.querySelector("[data-number]").textContent = at + 1;
  });
}

let next = rows.children.length;

function add() {
  const row = document.createElement("template");
  row.innerHTML = blank.innerHTML.replaceAll("NUMBER", String(next++)); // our own template, nobody's words
  rows.append(row.content);
  count();
  rows.lastElementChild.querySelector("textarea").focus();
}

form.addEventListener("input", typed);
form.addEventListener("change", typed);
form.addEventListener("click", (event) => {
  if (event.target.closest("[data-add]")) {
    event.preventDefault();
    add();
  }
  const remove = event.target.closest("[data-remove]");
  if (remove) {
    event.preventDefault();
    remove.closest("[data-row]").remove();
    if (!rows.children.length) add();
    count();
    typed();
  }
});
form.addEventListener("keydown", (event) => {
  const box = event.target.closest("[data-row] textarea");
  if (box && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    add();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && changed && !stopped) save(); // the second one locks
});
form.addEventListener("submit", async (event) => {
  clearTimeout(timer);
  if (!saving) {
    changed = false; // this very request saves it
    return;
  }
  event.preventDefault(); // first the answer with the version that counts
  const button = event.submitter;
  await saving;
  form.requestSubmit(button);
});
addEventListener("pagehide", () => {
  if (changed && !stopped) {
    const body = new FormData(form);
    body.set("quiet", "1");
    fetch(form.action, { method: "POST", body, keepalive: true });
  }
});
