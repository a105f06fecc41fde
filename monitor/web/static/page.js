// Exchanges the fragments that the server says have changed. Without it the page works, and stands still.
"use strict";

const SILENCE_MS = 12000; // the server speaks every second, at the latest every five
const RETRY_MS = 3000;
const lost = document.getElementById("lost");
const title = document.title;
let source;
let heard = Date.now();

function exchange(id, html) {
  const element = document.getElementById(id);
  if (!element || element.innerHTML === html) return;
  const focused = element.contains(document.activeElement) && document.activeElement.getAttribute("href");
  element.innerHTML = html;
  if (focused) element.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function count() {
  const firing = document.querySelectorAll(".alert.firing").length;
  document.title = firing ? `(${firing}) ${title}` : title;
}

function show(connected) {
  lost.hidden = connected;
  document.body.classList.toggle("lost", !connected);
}

function open() {
  source?.close();
  heard = Date.now();
  source = new EventSource(document.body.dataset.events);
  source.onmessage = (event) => {
    heard = Date.now();
    show(true);
    for (const [id, html] of Object.entries(JSON.parse(event.data))) exchange(id, html);
    count();
  };
  source.onerror = () => show(false);
}

setInterval(() => {
  if (document.hidden) return;
  const silent = Date.now() - heard > SILENCE_MS;
  if (silent) show(false);
  if (silent || source.readyState === EventSource.CLOSED) open();
}, RETRY_MS);

document.addEventListener("visibilitychange", () => (document.hidden ? source.close() : open()));
window.addEventListener("pagehide", () => source.close());
count();
open();
