// A long work, followed without reloading the page; buttons to copy and print what it told.
// Invariant: asking how far a work is reads nothing of the record and is no use of the keys.

const ASK = 700; // ms

const job = document.querySelector("[data-job]");
const bar = job?.querySelector("progress");

async function follow() {
  try {
    const answer = await fetch(job.dataset.job, { cache: "no-store" });
    const now = await answer.json();
    if (now.over || !answer.ok) {
      location.reload();
      return;
    }
    if (now.what) job.querySelector("[data-what]").textContent = now.what;
    if (now.total) {
      bar.max = now.total;
      bar.value = Math.min(now.done, now.total);
      const number = new Intl.NumberFormat(document.documentElement.lang);
      job.querySelector("[data-count]").textContent = `${number.format(now.done)} / ${number.format(now.total)}`;
    }
  } catch {
    // the workspace was locked: amparo.js takes the page off the screen
  }
  setTimeout(follow, ASK);
}

if (job) setTimeout(follow, ASK);

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent));
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
