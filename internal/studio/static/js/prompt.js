// The prompt: it grows with its text, marks words that the model was never taught,
// and offers those that it knows while one types.

import { $, el, lang, t } from './core.js';

const most = 7; // offers at a time
const letters = /[\p{L}\p{M}\p{N}'’-]+$/u;

// tails are a phrase from each of its words on: who types the last word of it has
// typed the others.
const tails = (phrase) => phrase.split(' ').map((_, i, all) => all.slice(i).join(' '));

export class Prompt {
  #area; #ink; #list; #changed; #words = []; #model = null; #offers = []; #at = -1; #unknown = [];

  constructor(form, changed) {
    this.#area = form.elements.prompt;
    this.#ink = $('ink', form);
    this.#list = form.querySelector('#offers');
    this.#changed = changed;
    this.#area.addEventListener('input', () => { this.#draw(); this.#offer(); this.#changed(); });
    this.#area.addEventListener('keydown', (event) => this.#key(event));
    this.#area.addEventListener('blur', () => setTimeout(() => this.#close(), 120));
    this.#area.addEventListener('click', () => this.#close());
    new ResizeObserver(() => this.#draw()).observe(this.#area.parentElement);
    this.#draw();
  }

  get value() { return this.#area.value; }
  focus() { this.#area.focus(); }
  set(text) {
    this.#area.value = text;
    this.#draw();
    this.#changed();
  }

  /** use takes the words and camera commands of a model. */
  use(model) {
    this.#model = model;
    // The page's language goes first; a prompt may be in any that the model reads.
    const order = [lang, ...(model.languages ?? []).filter((l) => l !== lang)];
    this.#words = order.flatMap((l) => (model.vocabulary ?? []).flatMap((v) => (v.said?.[l] ?? (l === 'en' ? v.words : [])).map((word) => ({ word, topic: v.topic }))));
    this.#topics(model);
    this.#moves(model);
    this.#close();
  }

  /** unknown marks words that the model was never taught. */
  unknown(list) {
    this.#unknown = list;
    this.#draw();
    const node = $('unknown');
    node.hidden = list.length === 0;
    node.replaceChildren();
    if (list.length === 0) return;
    node.append(t('unknown') + ' ');
    list.forEach(({ word, nearest }, i) => {
      if (i) node.append(' ');
      node.append(el('b', { dir: 'auto' }, word));
      if (nearest) node.append(' → ', el('button', { type: 'button', class: 'chip', onclick: () => this.#replace(word, nearest) }, nearest));
    });
  }

  #replace(word, by) {
    const at = this.value.toLowerCase().indexOf(word.toLowerCase());
    if (at < 0) return;
    this.set(this.value.slice(0, at) + by + this.value.slice(at + word.length));
    this.focus();
  }

  // draw fits the height, and underlines the unknown words beneath the text.
  #draw() {
    const area = this.#area;
    area.dir = area.value ? 'auto' : document.documentElement.dir; // its hint is of the page's language
    area.style.blockSize = 'auto';
    area.style.blockSize = area.scrollHeight + 'px';
    const text = area.value, low = text.toLowerCase(), parts = [];
    let from = 0;
    for (;;) {
      let best = -1, length = 0;
      for (const { word } of this.#unknown) {
        const at = low.indexOf(word.toLowerCase(), from);
        if (at >= 0 && (best < 0 || at < best)) { best = at; length = word.length; }
      }
      if (best < 0 || length === 0) break;
      parts.push(text.slice(from, best), el('mark', {}, text.slice(best, best + length)));
      from = best + length;
    }
    parts.push(text.slice(from));
    this.#ink.dir = 'auto';
    this.#ink.replaceChildren(...parts);
  }

  #insert(text, replace = 0) {
    const area = this.#area, at = area.selectionEnd ?? area.value.length;
    const before = area.value.slice(0, at - replace), after = area.value.slice(at);
    const space = before && !/[\s\[]$/u.test(before) && !replace ? ' ' : '';
    area.value = before + space + text + after;
    const end = (before + space + text).length;
    area.setSelectionRange(end, end);
    this.#draw();
    this.#changed();
  }

  #topics(model) {
    const box = $('words'), list = $('topics');
    box.hidden = !model.vocabulary?.length;
    list.replaceChildren(...(model.vocabulary ?? []).map((v) => {
      const said = v.said?.[lang] ?? v.words;
      return el('div', {}, v.topic ? el('h3', {}, t('topic.' + v.topic)) : null,
        ...said.map((word) => el('button', { type: 'button', class: 'chip', onclick: () => { this.#insert(word); this.focus(); } }, word)));
    }));
  }

  #moves(model) {
    const box = $('camera'), list = $('moves');
    const moves = model.camera_commands ?? [];
    box.hidden = moves.length === 0;
    list.replaceChildren(...moves.map((move) => el('button', {
      type: 'button', class: 'chip', dir: 'ltr', onclick: () => {
        if (this.value.includes(move)) this.set(this.value.replace(move, '').replace(/ {2,}/g, ' ').trim());
        else this.set(`${move} ${this.value}`.trim());
        for (const chip of list.children) chip.setAttribute('aria-pressed', String(this.value.includes(chip.dataset.move)));
      }, 'data-move': move, 'aria-pressed': 'false',
    }, move.slice(1, -1))));
    this.#area.addEventListener('input', () => { for (const chip of list.children) chip.setAttribute('aria-pressed', String(this.value.includes(chip.dataset.move))); });
  }

  // offer shows the known words that begin as the one that is being typed.
  #offer() {
    const area = this.#area;
    const run = area.selectionStart === area.selectionEnd && area.value.slice(0, area.selectionEnd).match(letters)?.[0];
    if (!run || (run.length < 2 && run.charCodeAt(0) < 0x600)) return this.#close();
    // Chinese has no spaces: what is being typed is the end of the run that begins a word.
    const ends = /\p{Script=Han}/u.test(run) ? [4, 3, 2, 1].filter((n) => n <= run.length).map((n) => run.slice(-n)) : [run];
    let typed = '';
    this.#offers = [];
    for (typed of ends) {
      const low = typed.toLowerCase(), seen = new Set([low]);
      this.#offers = this.#words.flatMap(({ word, topic }) => tails(word).map((tail) => ({ word: tail, topic })))
        .filter(({ word }) => word.toLowerCase().startsWith(low) && !seen.has(word.toLowerCase()) && seen.add(word.toLowerCase())).slice(0, most);
      if (this.#offers.length) break;
    }
    if (!this.#offers.length) return this.#close();
    this.#at = -1;
    this.#list.replaceChildren(...this.#offers.map(({ word, topic }, i) => el('li', {
      role: 'option', id: 'offer-' + i, 'aria-selected': 'false', onpointerdown: (event) => { event.preventDefault(); this.#take(i); },
    }, el('span', { dir: 'auto' }, word), el('small', {}, topic ? t('topic.' + topic) : ''))));
    this.#list.hidden = false;
    area.setAttribute('aria-expanded', 'true');
    this.typed = typed;
  }

  #close() {
    this.#offers = [];
    this.#at = -1;
    this.#list.hidden = true;
    this.#area.setAttribute('aria-expanded', 'false');
    this.#area.removeAttribute('aria-activedescendant');
  }

  #point(to) {
    this.#at = to;
    [...this.#list.children].forEach((li, i) => li.setAttribute('aria-selected', String(i === to)));
    if (to >= 0) this.#area.setAttribute('aria-activedescendant', 'offer-' + to);
    else this.#area.removeAttribute('aria-activedescendant');
  }

  #take(i) {
    const { word } = this.#offers[i], typed = this.typed.length;
    this.#close();
    this.#insert(word, typed);
  }

  #key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') {
      event.preventDefault();
      this.#area.form.requestSubmit();
      return;
    }
    if (event.isComposing || !this.#offers.length) {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.#area.form.requestSubmit(); }
      return;
    }
    const n = this.#offers.length;
    if (event.key === 'ArrowDown') this.#point((this.#at + 2) % (n + 1) - 1);
    else if (event.key === 'ArrowUp') this.#point((this.#at + n + 1) % (n + 1) - 1);
    else if ((event.key === 'Tab' && !event.shiftKey || event.key === 'Enter') && this.#at >= 0) this.#take(this.#at);
    else if (event.key === 'Escape') this.#close();
    else {
      if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); this.#close(); this.#area.form.requestSubmit(); }
      return;
    }
    event.preventDefault();
  }
}
