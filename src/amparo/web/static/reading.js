// The reading room by mouse and keyboard: marking words, regions and times, going from passage to passage.
// Invariant: it only fills in the fields of the form, which work without it; nothing a page shows is kept anywhere.

const room = document.querySelector("[data-room]");
const form = document.querySelector("[data-mark]");
const field = (name) => form?.elements.namedItem(name);
const quote = form?.querySelector("[data-quote]");
const spot = form?.querySelector("[data-spot]");
const passages = form?.querySelector("[data-passages]");
const player = document.querySelector("[data-player]");
const keys = document.getElementById("keys");
const points = (text) => [...text].length; // the server counts characters, not the halves of them

// -- words ------------------------------------------------------------------------------------------------------------

/** {run, piece, at} of an end of the selection, or null outside the text. */
function place(node, offset) {
  if (node.nodeType !== Node.TEXT_NODE) {
    const child = node.childNodes[offset];
    const walker = document.createTreeWalker(child ?? node, NodeFilter.SHOW_TEXT);
    const found = child ? (child.nodeType === Node.TEXT_NODE ? child : walker.nextNode()) : last(node);
    if (!found) return null;
    return place(found, child ? 0 : found.data.length);
  }
  const part = node.parentElement?.closest("[data-at]");
  const piece = part?.closest("[data-piece]");
  const run = piece?.closest("[data-run]");
  if (!run) return null;
  return { run: run.dataset.run, piece: Number(piece.dataset.piece), at: Number(part.dataset.at) + points(node.data.slice(0, offset)) };
}

function last(node) {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  let found = null;
  while (walker.nextNode()) found = walker.currentNode;
  return found;
}

/** The words between two places, as the page shows them. */
function words(start, end) {
  const out = [];
  for (const piece of room.querySelectorAll(`[data-run="${start.run}"] [data-piece]`)) {
    const number = Number(piece.dataset.piece);
    if (number < start.piece || number > end.piece) continue;
    const text = [...[...piece.querySelectorAll("[data-at]")].map((part) => part.textContent).join("")];
    out.push(text.slice(number === start.piece ? start.at : 0, number === end.piece ? end.at : text.length).join(""));
  }
  return out.join("\n");
}

function take() {
  const selection = getSelection();
  if (!quote || selection.isCollapsed || !selection.rangeCount) return;
  const range = selection.getRangeAt(0);
  const [start, end] = [place(range.startContainer, range.startOffset), place(range.endContainer, range.endOffset)];
  if (!start || !end || start.run !== end.run) return;
  quote.value = words(start, end);
  spot.value = [start.run, start.piece, start.at, end.piece, end.at].join(":");
  fresh();
}

/** What is marked now is a passage of its own. */
function fresh() {
  if (passages && passages.options[0].value === "") passages.value = "";
}

if (quote) {
  document.addEventListener("selectionchange", take);
  quote.addEventListener("input", () => {
    spot.value = "";
    fresh();
  });
}

// -- regions ----------------------------------------------------------------------------------------------------------

const sheet = document.querySelector("[data-sheet]");
if (sheet && field("x")) {
  const box = sheet.querySelector("[data-drawn]");
  const picture = sheet.querySelector("svg");
  const names = ["x", "y", "w", "h"];
  let from = null;
  sheet.dataset.live = "";

  const draw = () => {
    const [x, y, w, h] = names.map((name) => Number(field(name).value.replace(",", ".")) || 0);
    for (const [name, value] of Object.entries({ x, y, width: w, height: h })) box.setAttribute(name, value);
  };
  const at = (event) => {
    const frame = picture.getBoundingClientRect();
    const share = (value, size) => Math.min(100, Math.max(0, (100 * value) / size));
    return [share(event.clientX - frame.left, frame.width), share(event.clientY - frame.top, frame.height)];
  };
  const drag = (event) => {
    const to = at(event);
    const corner = [0, 1].map((n) => Math.min(from[n], to[n]));
    const size = [0, 1].map((n) => Math.abs(from[n] - to[n]));
    [...corner, ...size].forEach((value, n) => (field(names[n]).value = value.toFixed(2)));
    draw();
  };
  let moved = false; // a click on a mark goes to its passage, a drag over it begins another one
  sheet.addEventListener("dragstart", (event) => event.preventDefault());
  sheet.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    from = at(event);
    moved = false;
  });
  sheet.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = at(event);
    if (!moved && Math.hypot(to[0] - from[0], to[1] - from[1]) < 0.5) return;
    if (!moved) sheet.setPointerCapture(event.pointerId);
    moved = true;
    drag(event);
  });
  sheet.addEventListener("pointercancel", () => (from = null));
  sheet.addEventListener("pointerup", () => {
    from = null;
    if (!moved) return;
    if (Number(field("w").value) < 0.5 || Number(field("h").value) < 0.5) names.forEach((name) => (field(name).value = ""));
    else {
      form.querySelector("[data-region-fields]").open = true;
      fresh();
    }
    draw();
  });
  names.forEach((name) => field(name).addEventListener("input", draw));
  draw();
}

// -- times ------------------------------------------------------------------------------------------------------------

const two = (number) => String(number).padStart(2, "0");
function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${(two(whole % 60) + (seconds - whole).toFixed(3).slice(1))}`;
}
function stamp(name) {
  if (!player || !field(name)) return;
  field(name).value = clock(player.currentTime);
  fresh();
}
if (player) {
  for (const one of document.querySelectorAll("[data-seconds]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "seek";
    button.textContent = one.matches("span") ? one.textContent : "▶";
    if (!one.matches("span")) button.setAttribute("aria-label", `▶ ${one.dataset.passage}`);
    button.addEventListener("click", () => {
      player.currentTime = Number(one.dataset.seconds);
      player.play();
    });
    if (one.matches("span")) one.replaceChildren(button);
    else one.querySelector(".from").append(button);
  }
}

// -- values that fit the property -------------------------------------------------------------------------------------

const all = document.getElementById("values");
for (const property of document.querySelectorAll("[data-property]")) {
  const value = property.closest(".triple").querySelector('[name$=".value"]');
  const own = document.createElement("datalist");
  own.id = `${value.id}-list`;
  value.after(own);
  const fit = () => {
    const chosen = [...document.querySelectorAll("#properties option")].find((one) => one.value === property.value);
    const kind = chosen?.dataset.value ?? "";
    const wanted = kind === "handle" ? "" : chosen?.dataset.list || null;
    own.replaceChildren(...[...all.options].filter((one) => !chosen || one.dataset.of === wanted).map((one) => one.cloneNode(true)));
    value.setAttribute("list", own.id);
  };
  property.addEventListener("input", fit);
  fit();
}

// -- keys -------------------------------------------------------------------------------------------------------------

let went = -Infinity; // when g was pressed
const SOON = 1_500; // ms

function go(step) {
  const cards = [...document.querySelectorAll("[data-passage]")];
  if (!cards.length) return;
  const now = cards.findIndex((one) => one.classList.contains("at"));
  const next = cards[Math.min(cards.length - 1, Math.max(0, now + step))];
  for (const one of document.querySelectorAll(".at")) one.classList.remove("at");
  next.classList.add("at");
  const marked = document.querySelectorAll(`mark[data-marks~="${next.dataset.passage}"]`);
  for (const one of marked) one.classList.add("at");
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  marked[0]?.scrollIntoView({ block: "nearest" });
}

function claim() {
  const at = document.querySelector(".passage.at");
  if (at && passages && !quote?.value && !field("x")?.value && !field("start")?.value) passages.value = at.dataset.passage;
  form?.querySelector('[name="claim.1.about"]').focus();
}

function turn(name) {
  document.querySelector(`[data-turn="${name}"]`)?.click();
}

addEventListener(
  "keydown",
  (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable], dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.key === "Escape") return;
    const after = event.timeStamp - went < SOON ? { n: () => turn("after"), p: () => turn("before"), s: () => turn("item") } : null;
    const acts = {
      n: () => go(1),
      p: () => go(-1),
      c: claim,
      g: () => (went = event.timeStamp),
      "[": () => stamp("start"),
      "]": () => stamp("end"),
      "?": () => keys.showModal(),
    };
    const act = after?.[event.key] ?? acts[event.key];
    if (!act) return;
    if (event.key !== "g") went = -Infinity;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  },
  true,
);

for (const link of document.querySelectorAll("[data-state]")) {
  link.addEventListener("click", (event) => {
    if (!passages) return;
    event.preventDefault();
    passages.value = link.dataset.state;
    form.querySelector('[name="claim.1.about"]').focus();
  });
}
