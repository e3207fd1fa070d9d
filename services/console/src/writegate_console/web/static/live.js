// Keeps an open page up to date by server-sent events, and says so when it is not.
"use strict";
(() => {
  const STALE_MILLIS = 5000;
  const main = document.querySelector("[data-live]");
  const pulse = document.querySelector("[data-pulse]");
  const stale = document.querySelector("[data-stale]");
  let source = null;
  let heardAt = Date.now();

  const say = (state) => {
    if (pulse.dataset.state !== state) {
      pulse.dataset.state = state;
      pulse.textContent = state;
    }
  };

  // What is focused in a part that changes stays focused: it is found again by where it leads.
  const replace = (name, html) => {
    const part = document.querySelector(`[data-part="${name}"]`);
    if (!part) return;
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.innerHTML = html;
    if (focused) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };

  const hear = (event) => {
    const { parts, age } = JSON.parse(event.data);
    heardAt = Date.now() - age * 1000;
    for (const [name, html] of Object.entries(parts)) replace(name, html);
    look();
  };

  const look = () => {
    if (document.hidden) return;
    const silent = Date.now() - heardAt;
    const old = silent > STALE_MILLIS;
    document.body.classList.toggle("stale", old);
    say(old ? "stale" : "live");
    stale.hidden = !old;
    // Always the same words while nothing comes: who listens to the page hears them once.
    const text = `Nothing new is heard of the gate. What is shown is of ${new Date(heardAt).toISOString().slice(11, 19)}.`;
    if (old && stale.textContent !== text) stale.textContent = text;
  };

  const open = () => {
    if (source || document.hidden) return;
    heardAt = Date.now();
    source = new EventSource(main.dataset.live);
    source.onmessage = hear;
    // While nobody answers the browser tries again by itself. Refused, as when the session is over, it gives up: then
    // the page is loaded anew and asks for the log-in, unless somebody may be typing.
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      source = null;
      if (!document.querySelector("main form[method=post]")) setTimeout(() => location.reload(), 2000);
    };
  };

  const close = () => {
    source?.close();
    source = null;
  };

  if (main && pulse) {
    open();
    setInterval(look, 500);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        close();
        say("paused");
      } else {
        open();
      }
    });
    addEventListener("pagehide", close);
  }
  // An action on many goes on: its page is loaded again until it is over.
  if (document.querySelector("[data-reload]")) setTimeout(() => location.reload(), 1000);
})();
