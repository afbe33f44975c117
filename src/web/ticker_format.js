/** Prices come in whole cents. */

const PRICE = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function priceText(cents) {
  return cents === undefined ? "–" : PRICE.format(cents / 100);
}

export function changeText({ price, open }) {
  const percent = (price / open - 1) * 100;
  return `${percent >= 0 ? "+" : "−"}${Math.abs(percent).toFixed(2)} %`;
}

/** An element with a class and a text: what a feed says is text, never markup. */
export function part(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
