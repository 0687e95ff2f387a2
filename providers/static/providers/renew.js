// Renews the parts of an admin page that tell the present (`data-renew`) from the same page, while somebody looks at it.
const SECONDS = 10;

async function renew() {
  const parts = [...document.querySelectorAll("[data-renew]")];
  if (document.hidden || !parts.length) return;
  const answer = await fetch(location.href, { credentials: "same-origin", redirect: "manual" });
  if (!answer.ok) return; // signed out, or the site restarts: the next try may find it
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts) {
    const newer = page.getElementById(part.id);
    const chosen = part.contains(document.activeElement) || getSelection().containsNode(part, true);
    if (newer && !chosen && newer.innerHTML !== part.innerHTML) part.replaceChildren(...newer.childNodes);
  }
}

async function loop() {
  try {
    await renew();
  } catch {
    // No connection: the page stays as it is until there is one.
  }
  setTimeout(loop, SECONDS * 1000);
}

setTimeout(loop, SECONDS * 1000);
