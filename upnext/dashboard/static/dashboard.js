// Keeps the parts of a page that are marked data-live up to date: the page is fetched again, and what differs is put
// in its place. Without this script every page works, and shows how things stood when it was loaded.
"use strict";

const INTERVAL = 2000; // ms between the end of one reading and the next
const PATIENCE = 15000; // ms that a reading may take; the server's own patience is shorter
const toggle = document.getElementById("updates");
const lost = document.getElementById("lost");
let paused = false;

function isInUse(part) {
  const focused = document.activeElement;
  const selection = document.getSelection();
  const selects = selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  return selects || (part.contains(focused) && focused.matches("input, select, textarea"));
}

function replace(part, fresh) {
  if (part.innerHTML === fresh.innerHTML || isInUse(part)) return;
  // What had the focus keeps it: by its id, or by its place.
  const focusable = "a, button, [tabindex]";
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const place = focused ? [...part.querySelectorAll(focusable)].indexOf(focused) : -1;
  const scrolled = [...part.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  part.replaceChildren(...fresh.childNodes);
  [...part.querySelectorAll(".scroll")].forEach((each, n) => { each.scrollLeft = scrolled[n] || 0; });
  if (focused) {
    const again = (focused.id && document.getElementById(focused.id)) || part.querySelectorAll(focusable)[place];
    if (again) again.focus({ preventScroll: true });
  }
}

async function update() {
  const answer = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE), headers: { Accept: "text/html" } });
  if (answer.redirected) { location.reload(); return; } // somebody has to sign in again
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!fresh.getElementById("content")) throw new Error(`no page, but status ${answer.status}`);
  if (paused) return;
  const parts = [...document.querySelectorAll("[data-live]")];
  // What the page is about is gone, such as a job whose result has expired: the page that says so takes its place.
  if (parts.some((part) => !fresh.getElementById(part.id))) { location.reload(); return; }
  for (const part of parts) replace(part, fresh.getElementById(part.id));
}

async function watch() {
  if (!paused && !document.hidden) {
    try {
      await update();
      lost.hidden = true;
    } catch (error) {
      console.warn("The dashboard cannot be reached:", error);
      lost.hidden = false;
    }
  }
  setTimeout(watch, INTERVAL);
}

if (toggle && document.querySelector("main [data-live]")) {
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    paused = !paused;
    toggle.setAttribute("aria-pressed", String(paused));
    toggle.textContent = paused ? "Resume updates" : "Pause updates";
  });
  setTimeout(watch, INTERVAL);
}

// Dead letters: select all that the page shows, and say how many are selected.
const every = document.getElementById("every");
if (every) {
  const boxes = [...document.querySelectorAll("#letters input[name=id]")];
  const count = () => {
    const selected = boxes.filter((box) => box.checked).length;
    every.checked = selected === boxes.length;
    every.indeterminate = selected > 0 && selected < boxes.length;
    document.getElementById("selected").textContent = selected ? `${selected} selected` : "";
  };
  every.hidden = false;
  every.addEventListener("change", () => { boxes.forEach((box) => { box.checked = every.checked; }); count(); });
  boxes.forEach((box) => box.addEventListener("change", count));
  count();
}
