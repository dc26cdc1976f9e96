// Reads the page again every 15 s and puts in what has changed; what holds the focus stays as it is.
"use strict";
const EVERY_MS = 15000;
const bar = document.getElementById("refresh");
const said = bar.querySelector("[role=status]");
const button = bar.querySelector("button");
let paused = false;

async function refresh() {
  if (paused || document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) throw new Error(answer.statusText);
    document.title = fresh.title;
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (now && !old.contains(document.activeElement) && now.innerHTML !== old.innerHTML) old.innerHTML = now.innerHTML;
    }
    tell("");
  } catch {
    tell("This page is no longer fresh: Tocsin does not answer as it should.");
  }
}

function tell(words) {
  if (said.textContent !== words) said.textContent = words;
  bar.classList.toggle("stale", words !== "");
}

button.addEventListener("click", () => {
  paused = !paused;
  button.textContent = paused ? "Go on" : "Pause";
  tell(paused ? "Refreshing is paused." : "");
  refresh();
});
document.addEventListener("visibilitychange", refresh);
bar.hidden = false;
setInterval(refresh, EVERY_MS);
