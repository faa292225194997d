// What every page uses: texts, requests, elements, and how numbers are said.

const texts = JSON.parse(document.getElementById('words').textContent);
const root = document.documentElement;
export const lang = root.lang;
const csrf = document.querySelector('meta[name=csrf]')?.content ?? '';

/** t is a text of the page's language, with {names} replaced. */
export function t(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}

/** Problem is an answer of the API that is an error, or the lack of one. */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail || t(status ? 'error.server' : 'error.network'));
    this.status = status;
    this.code = body?.code ?? '';
    this.param = body?.param ?? '';
  }
}

/** api asks the native API. An answer without a body is null. */
export async function api(method, path, body, { signal, headers = {}, keepalive = false } = {}) {
  let answer;
  try {
    answer = await fetch('/v1' + path, {
      method, signal, keepalive, credentials: 'same-origin', cache: 'no-store',
      headers: { ...(method === 'GET' ? {} : { 'X-Csrf-Token': csrf }), ...(body && !(body instanceof FormData) ? { 'Content-Type': 'application/json' } : {}), ...headers },
      body: body instanceof FormData ? body : body && JSON.stringify(body),
    });
  } catch (err) {
    if (err.name === 'AbortError') throw err;
    throw new Problem(0);
  }
  if (answer.status === 401) signInAgain();
  const text = await answer.text();
  let data = null;
  try { data = text ? JSON.parse(text) : null; } catch { /* an answer of something between */ }
  if (!answer.ok) throw new Problem(answer.status, data);
  return data;
}

/** signInAgain leaves for the form: the session has ended. */
export function signInAgain() {
  location.assign('/studio/sign-in?next=' + encodeURIComponent(location.pathname + location.search));
}

/** el makes an element. Texts become text, whatever they hold: never HTML. */
export function el(name, attrs = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attrs)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'class') node.className = value;
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

const icons = new URL('../icons.svg', import.meta.url).pathname;
const svg = 'http://www.w3.org/2000/svg';

/** icon is a drawing of icons.svg, which a screen reader skips. */
export function icon(name) {
  const node = document.createElementNS(svg, 'svg');
  const use = document.createElementNS(svg, 'use');
  use.setAttribute('href', icons + '#' + name);
  node.setAttribute('aria-hidden', 'true');
  node.append(use);
  return node;
}

/** iconButton is a button that shows an icon and says what it does. */
export function iconButton(name, label, onclick) {
  return el('button', { type: 'button', class: 'icon', title: label, 'aria-label': label, onclick }, icon(name));
}

/** $ finds an element by its data- attribute. */
export const $ = (name, within = document) => within.querySelector(`[data-${name}]`);

/** say has a screen reader say something. */
export function say(text) {
  const live = $('live');
  live.textContent = '';
  requestAnimationFrame(() => { live.textContent = text; });
}

const toasts = $('toasts');

/** toast shows a line for a while, with something that may be done about it. */
export function toast(text, { action, onaction, time = 6000 } = {}) {
  const close = () => { clearTimeout(timer); node.remove(); };
  const node = el('div', { class: 'toast', role: 'status' }, el('span', { dir: 'auto' }, text));
  if (action) node.append(el('button', { type: 'button', onclick: () => { close(); onaction(); } }, action));
  const timer = setTimeout(close, time);
  (document.querySelector('dialog[open]') ?? document.body).append(toasts); // else a dialog would hide them
  toasts.append(node);
  return close;
}

/** complain says what went wrong. */
export function complain(err) {
  if (err.name === 'AbortError') return;
  toast(err.message);
}

const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(lang, { maximumFractionDigits: 0 });
const money = new Intl.NumberFormat(lang, { style: 'currency', currency: 'USD', maximumFractionDigits: 4 });
const relative = new Intl.RelativeTimeFormat(lang, { numeric: 'auto' });
const unit = (name) => new Intl.NumberFormat(lang, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: name === 'second' ? 1 : 0 });
const units = { second: unit('second'), minute: unit('minute'), hour: unit('hour'), day: unit('day'), megabyte: unit('megabyte'), gigabyte: unit('gigabyte') };

export const num = (n) => number.format(n);
export const int = (n) => whole.format(n);
export const usd = (text) => money.format(Number(text));
export const percent = (n) => new Intl.NumberFormat(lang, { style: 'percent' }).format(n / 100);

/** size is that of a frame, which reads the same in every direction. */
export const size = (w, h) => `\u2066${w}×${h}\u2069`;

/** seconds is a length of time, such as 6 sec or 2 min. */
export function seconds(n) {
  if (n < 10) return units.second.format(Math.round(n * 10) / 10);
  if (n < 100) return units.second.format(Math.round(n));
  if (n < 6000) return units.minute.format(Math.round(n / 60));
  if (n < 172800) return units.hour.format(Math.round(n / 3600));
  return units.day.format(Math.round(n / 86400));
}

/** bytes is an amount of memory. */
export function bytes(n) {
  return n < 1e9 ? units.megabyte.format(Math.round(n / 1e6)) : new Intl.NumberFormat(lang, { style: 'unit', unit: 'gigabyte', unitDisplay: 'short', maximumFractionDigits: 1 }).format(n / 1e9);
}

/** ago is how long ago something happened. */
export function ago(when) {
  const s = (new Date(when) - Date.now()) / 1000;
  if (s > -60) return relative.format(0, 'second');
  if (s > -3600) return relative.format(Math.round(s / 60), 'minute');
  if (s > -86400) return relative.format(Math.round(s / 3600), 'hour');
  return relative.format(Math.round(s / 86400), 'day');
}

/** until is the day on which something ends. */
export const until = (when) => new Intl.DateTimeFormat(lang, { dateStyle: 'medium' }).format(new Date(when));

/** store keeps small preferences; a browser that keeps none still works. */
export const store = {
  get(key) { try { return JSON.parse(localStorage.getItem('kinora.' + key)); } catch { return null; } },
  set(key, value) { try { localStorage.setItem('kinora.' + key, JSON.stringify(value)); } catch { /* it is only a preference */ } },
};

/** later calls fn once nothing came for so many milliseconds. */
export function later(fn, ms) {
  let timer;
  return (...args) => { clearTimeout(timer); timer = setTimeout(() => fn(...args), ms); };
}
