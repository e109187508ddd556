// Files to the record in pieces: progress, going on after a cut, stopping. The server seals each piece as it comes.
// Invariant: the form works without this file; nothing of a file is kept in the browser.

const PIECE = 8 << 20; // bytes
const TRIES = 40; // in a row without a byte arriving
const WAIT = 1_500; // ms

const form = document.querySelector("[data-upload]");
const shown = form.querySelector("[data-progress]");
const bar = shown.querySelector("progress");
const line = shown.querySelector("[role=status]");
const failed = shown.querySelector("[data-failed]");
const go = form.querySelector("[data-go]");
const stop = form.querySelector("[data-stop]");
const words = form.querySelector("[data-words]").dataset;
const number = new Intl.NumberFormat(document.documentElement.lang);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let ids = [];
let stopping = false;

class Refused extends Error {}

async function ask(address, options) {
  const answer = await fetch(address, { redirect: "manual", cache: "no-store", ...options });
  if (answer.type === "opaqueredirect") {
    location.assign("/unlock");
    throw new Refused("");
  }
  const said = await answer.json();
  if (!answer.ok && answer.status !== 409) throw new Refused(said.sentence);
  return { ok: answer.ok, said };
}

function tell(file, received, word) {
  bar.max = file.size || 1;
  bar.value = received;
  line.textContent = `${file.name}: ${number.format(received)} / ${number.format(file.size)} B, ${word}`;
}

async function begin(file) {
  for (let tried = 0; ; tried++) {
    const body = new URLSearchParams({ name: file.name, size: file.size, modified: file.lastModified });
    const { ok, said } = await ask("/upload/begin", { method: "POST", body });
    if (ok) return said.id;
    if (tried === TRIES) throw new Refused(said.sentence);
    await pause(WAIT); // others are arriving: wait for room
  }
}

async function send(file) {
  const id = await begin(file);
  ids.push(id);
  let now = { received: 0, done: false };
  let tried = 0;
  while (!now.done) {
    if (stopping) throw new Refused("");
    const before = now.received;
    tell(file, before, before + PIECE >= file.size ? words.sealing : words.arriving);
    try {
      const headers = { "content-type": "application/octet-stream", "x-upload": id, "x-offset": String(before) };
      const { ok, said } = await ask("/upload", { method: "POST", headers, body: file.slice(before, before + PIECE) });
      now = ok ? said : (await ask(`/uploads/${id}`)).said;
    } catch (error) {
      if (error instanceof Refused || tried === TRIES) throw error;
      tell(file, before, words.again);
      await pause(WAIT);
      now = await ask(`/uploads/${id}`).then((answer) => answer.said, (why) => {
        if (why instanceof Refused) throw why;
        return now;
      });
    }
    tried = now.received > before ? 0 : tried + 1;
    if (tried > TRIES) throw new Refused(words.again);
  }
  tell(file, file.size, words.sealing);
}

async function drop() {
  if (!ids.length) return;
  const body = new URLSearchParams({ uploads: ids.join(" ") });
  ids = [];
  await fetch("/upload/drop", { method: "POST", body, keepalive: true }).catch(() => {});
}

function accept() {
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = "uploads";
  field.value = ids.join(" ");
  form.append(field);
  form.elements.files.disabled = true;
  form.action = form.dataset.accept;
  form.enctype = "application/x-www-form-urlencoded";
  form.submit();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const files = [...form.elements.files.files];
  if (!files.length) return;
  shown.hidden = stop.hidden = false;
  failed.hidden = go.disabled = true;
  stopping = false;
  try {
    for (const file of files) await send(file);
    ids.length && accept();
  } catch (error) {
    await drop();
    failed.textContent = error instanceof Refused ? error.message : String(error);
    failed.hidden = !failed.textContent;
    line.textContent = "";
    bar.value = 0;
    go.disabled = false;
    stop.hidden = true;
  }
});
stop.addEventListener("click", () => {
  stopping = true;
});
