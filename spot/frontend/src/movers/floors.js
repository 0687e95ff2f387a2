// Floors of volume and market cap: chosen in dollars, requested as round sums of the page's currency. Pure.

const DOLLAR = "tether"; // the server converts its own floor by the price of the same coin

/** To 1, 2 or 5 times a power of ten, whichever is nearest. */
export function rounded(amount) {
  if (!(amount > 0) || !Number.isFinite(amount)) return 0;
  const power = 10 ** Math.floor(Math.log10(amount));
  const [nearest] = [1, 2, 5, 10].sort((a, b) => Math.abs(Math.log(amount / power / a)) - Math.abs(Math.log(amount / power / b)));
  return Number((nearest * power).toPrecision(1));
}

/** The price of a dollar in a currency, from the feeds of the page; null while unknown. */
export function dollarIn(currency, feeds) {
  if (currency === "usd") return 1;
  for (const { view, head } of feeds) {
    if (head?.params?.vs_currency !== currency) continue;
    const price = view?.rows.get(DOLLAR)?.price;
    if (price > 0) return price;
  }
  return null;
}

/** A floor of so many dollars as a round sum; null when the dollar's price is not known. */
export function floorIn(dollars, dollar) {
  if (dollar === null) return null;
  return dollar === 1 ? dollars : rounded(dollars * dollar);
}
