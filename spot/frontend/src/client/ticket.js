// Tickets of the site's own pages, for sites that serve nobody without a key. A page that staff has opened names the
// address that issues them, and the token that proves to it that the page asks, and not another site's.

const PLACE = 'meta[name="spot-ticket"]';

/** An async function that gets a ticket for one request of this page to `server`; undefined where it takes none. */
export function pageTicket(server) {
  const place = globalThis.document?.querySelector?.(PLACE);
  if (!place || new URL(server).host !== location.host) return undefined;
  return async () => {
    const answer = await fetch(place.content, { method: "POST", headers: { "X-CSRFToken": place.dataset.token } });
    if (answer.ok) return (await answer.json()).ticket;
    throw Object.assign(new Error(`${place.content}: HTTP ${answer.status}`), { refusal: [401, 403].includes(answer.status) ? ENDED : null });
  };
}

const ENDED = { code: "key_required", message: "You are not signed in any more. Reload this page to sign in again." };

/** The address with a ticket, where the page takes one. */
export async function withTicket(url) {
  const ticket = pageTicket(url);
  if (!ticket) return url;
  const paid = new URL(url);
  paid.searchParams.set("ticket", await ticket());
  return paid;
}
