"use strict";
// The samples at one step at a time; without this script the last ones are shown.
const player = document.querySelector(".player");
if (player) {
  const slider = player.querySelector("input");
  const button = player.querySelector("button");
  const output = player.querySelector("output");
  const frames = [...document.querySelectorAll(".frames img")];
  const rows = [...document.querySelectorAll(".steps tbody tr")];
  let timer = 0;
  const show = (at) => {
    slider.value = at;
    frames.forEach((frame, i) => { frame.hidden = i !== at; });
    rows.forEach((row, i) => {
      if (i === at) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    output.textContent = "step " + frames[at].dataset.step;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    button.textContent = "▶";
    button.setAttribute("aria-label", "Play");
  };
  const play = () => {
    if (Number(slider.value) === frames.length - 1) show(0);
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      const next = Number(slider.value) + 1;
      if (next < frames.length) show(next);
      if (next >= frames.length - 1) stop();
    }, 600);
  };
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  button.addEventListener("click", () => (timer ? stop() : play()));
  rows.forEach((row, i) => row.addEventListener("click", () => { stop(); show(i); }));
  document.querySelector(".steps").classList.add("live");
  show(frames.length - 1);
  player.hidden = false;
}
