// Shows the name of the host under the pointer, and opens its page; everything can be read without this script.
"use strict";
(() => {
  const image = document.getElementById("heat");
  const says = document.getElementById("heat-says");
  if (!image || !says) return;
  let known = null;
  const host = (event) => {
    if (!known) return null;
    const box = image.getBoundingClientRect();
    const scale = image.width / box.width || 1;
    const x = Math.floor(((event.clientX - box.left) * image.naturalWidth) / box.width / known.cell);
    const y = Math.floor(((event.clientY - box.top) * image.naturalHeight) / box.height / known.cell);
    return scale && known.hosts[y * known.columns + x];
  };
  image.addEventListener("mouseenter", async () => {
    if (known) return;
    const answer = await fetch("/heat.json");
    if (answer.ok) known = await answer.json();
  });
  image.addEventListener("mousemove", (event) => {
    const found = host(event);
    const wrong = found && found[2] ? `, ${found[2]} violation${found[2] === 1 ? "" : "s"}` : "";
    says.textContent = found ? `${found[0]}: ${(found[1] / 10).toFixed(1)} % in use${wrong}` : " ";
  });
  image.addEventListener("click", (event) => {
    const found = host(event);
    if (found) window.location.assign(`/host?id=${encodeURIComponent(found[0])}`);
  });
})();
