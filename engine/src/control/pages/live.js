// Puts the parts of a page in place as they come. Everything on the page is there without it.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live) return;

  // A page without a stream is loaded anew, unless somebody is at it.
  if (live.dataset.reload) {
    setInterval(() => {
      const at = document.activeElement;
      const isFree = !at || at === document.body || at.id === "main";
      if (isFree && document.visibilityState === "visible") location.reload();
    }, Number(live.dataset.reload) * 1000);
    return;
  }
  if (!live.dataset.listen || !window.EventSource) return;

  const stale = document.getElementById("stale");
  const spoken = document.getElementById("spoken");
  const STALE_MS = 3000;
  const SPOKEN_MS = 10000;
  let heardAt = performance.now();
  let spokenAt = 0;

  const put = (parts) => {
    for (const [id, markup] of Object.entries(parts)) {
      const place = document.getElementById(id);
      if (!place || place.last === markup) continue;
      place.last = markup;
      place.innerHTML = markup;
    }
  };
  const speak = () => {
    const said = document.getElementById("p-say");
    const now = performance.now();
    if (!said || now - spokenAt < SPOKEN_MS) return;
    spokenAt = now;
    spoken.textContent = said.textContent;
  };

  const source = new EventSource(live.dataset.listen);
  source.addEventListener("parts", (event) => {
    const { state, parts } = JSON.parse(event.data);
    heardAt = performance.now();
    stale.hidden = true;
    // Other acts are possible now: the page has other buttons.
    if (state !== live.dataset.state) {
      source.close();
      location.reload();
      return;
    }
    put(parts);
    speak();
  });
  setInterval(() => {
    stale.hidden = performance.now() - heardAt < STALE_MS;
  }, 500);
})();
