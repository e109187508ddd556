// What every open page can do with scripts on: blank and lock on Esc Esc, leave when the workspace is locked, keys to move.
// Invariant: nothing a page shows is kept anywhere by this file.

const TWICE = 600; // ms between the two Escs
const ASK = 10_000; // ms between two questions whether the workspace is still open
const ENDS = 700; // ms in which a locked process has ended
const TELL = 60_000; // ms between two words that somebody types
let told = -Infinity;
let escaped = -Infinity;
let leaving = false; // a second way out must not break off the first

/** Take everything off the screen, then go where the passphrase is typed. */
function blank() {
  document.documentElement.replaceChildren();
  if (!leaving) location.replace("/unlock");
  leaving = true;
}

function lock() {
  document.documentElement.replaceChildren();
  if (leaving) return;
  leaving = true;
  // the process that answered ends with its keys: only the one after it is asked for the next page
  const gone = () => setTimeout(() => location.replace("/unlock"), ENDS);
  fetch("/lock", { method: "POST", keepalive: true, redirect: "manual" }).finally(gone);
}

function typing(target) {
  return target.closest("input, textarea, select, [contenteditable]");
}

function move(step) {
  const rows = [...document.querySelectorAll(".hit, .claim")];
  if (!rows.length) return;
  const now = rows.findIndex((row) => row.classList.contains("at"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, now + step))];
  rows[now]?.classList.remove("at");
  next.classList.add("at");
  next.querySelector("a.go, a.handle")?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    if (event.timeStamp - escaped < TWICE) lock();
    escaped = event.timeStamp;
    return;
  }
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  const acts = {
    "/": () => document.getElementById("words")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    n: () => document.querySelector('a[rel="next"]')?.click(),
    p: () => document.querySelector('a[rel="prev"]')?.click(),
  };
  const act = acts[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

async function look() {
  try {
    const answer = await fetch("/alive", { cache: "no-store" });
    if (!answer.ok || !(await answer.json()).open) blank();
  } catch {
    blank();
  }
}

if ("open" in document.body.dataset) {
  addEventListener("input", () => {
    if (Date.now() - told < TELL) return; // typing is use: a long form is not locked away under one's hands
    told = Date.now();
    fetch("/typed", { method: "POST" }).catch(() => {});
  });
  setInterval(look, ASK);
  addEventListener("pageshow", (event) => event.persisted && look());
}
