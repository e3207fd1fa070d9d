// Keeps an open page up to date with server-sent events, and shows when it is not.
"use strict";
(() => {
  const STALE_MILLIS = 5000;
  const main = document.querySelector("[data-live]");
  const pulse = document.querySelector("[data-pulse]");
  const stale = document.querySelector("[data-stale]");
  let source = null;
  let dataAt = Date.now();

  const showState = (state) => {
    if (pulse.dataset.state !== state) {
      pulse.dataset.state = state;
      pulse.textContent = state;
    }
  };

  // A link that has the focus keeps it when its part is replaced: the new link is found by its address.
  const replace = (name, html) => {
    const part = document.querySelector(`[data-part="${name}"]`);
    if (!part) return;
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.innerHTML = html;
    if (focused) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };

  const receive = (event) => {
    const { parts, age } = JSON.parse(event.data);
    dataAt = Date.now() - age * 1000;
    for (const [name, html] of Object.entries(parts)) replace(name, html);
    checkAge();
  };

  const checkAge = () => {
    if (document.hidden) return;
    const old = Date.now() - dataAt > STALE_MILLIS;
    document.body.classList.toggle("stale", old);
    showState(old ? "stale" : "live");
    stale.hidden = !old;
    // The text stays the same while nothing arrives, so that a screen reader says it once.
    const text = `The console does not answer. This page shows data of ${new Date(dataAt).toISOString().slice(11, 19)}.`;
    if (old && stale.textContent !== text) stale.textContent = text;
  };

  const open = () => {
    if (source || document.hidden) return;
    dataAt = Date.now();
    source = new EventSource(main.dataset.live);
    source.onmessage = receive;
    // While there is no answer the browser connects again by itself. When it is refused, as after the session has
    // ended, it gives up: the page is loaded again and asks for the log-in, unless it has a form in which somebody
    // may be typing.
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
    setInterval(checkAge, 500);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        close();
        showState("paused");
      } else {
        open();
      }
    });
    addEventListener("pagehide", close);
  }
  // The page of a replay or drop is loaded again until the job has ended.
  if (document.querySelector("[data-reload]")) setTimeout(() => location.reload(), 1000);
})();
