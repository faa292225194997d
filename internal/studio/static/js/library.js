// Library: all finished videos, a page at a time as one scrolls.

import './shell.js';
import { $, api, el, later, t } from './core.js';
import { jobs } from './live.js';
import { grid, hidden, linkState, posterOf } from './card.js';
import { compare } from './compare.js';

const page = 40; // videos asked for at a time
const filter = { q: '', starred: false, tag: '' };
let ids = [], next = '', ended = false, asking = null, pair = null;
const tags = new Set();

const shelf = grid($('shelf'), posterOf);

/** show draws what is loaded, as it stands now. */
function show() {
  const list = ids.map((id) => jobs.get(id)).filter((j) => j && !hidden(j) && (!filter.starred || j.starred) && (!filter.tag || j.tags.includes(filter.tag)));
  shelf(list);
  const filtered = filter.q || filter.starred || filter.tag;
  $('empty').hidden = !(ended && !list.length && !filtered);
  $('none').hidden = !(ended && !list.length && filtered);
  $('more').hidden = ended;
  for (const j of list) for (const tag of j.tags) tags.add(tag);
  showTags();
  linkState();
}

let drawn = '';
function showTags() {
  const list = [...tags].sort(), now = list.join('\n') + '\n' + filter.tag;
  if (now === drawn) return;
  drawn = now;
  $('tags').hidden = list.length === 0;
  $('tags').replaceChildren(...list.map((tag) => el('button', {
    type: 'button', class: 'chip', dir: 'auto', 'aria-pressed': String(tag === filter.tag), onclick: () => { filter.tag = filter.tag === tag ? '' : tag; begin(); },
  }, tag)));
}

/** begin loads the first page of what the filter finds. */
function begin() {
  asking?.abort();
  ids = [];
  next = '';
  ended = false;
  asking = null;
  shelf([]);
  more();
}

/** more loads the next page, unless it is on its way. */
async function more() {
  if (asking || ended) return;
  const mine = new AbortController();
  asking = mine;
  $('problem').hidden = true;
  const query = new URLSearchParams({ state: 'succeeded', kind: 'video', limit: page });
  if (filter.q) query.set('q', filter.q);
  if (filter.starred) query.set('starred', 'true');
  if (filter.tag) query.set('tag', filter.tag);
  if (next) query.set('after', next);
  try {
    const got = await api('GET', '/jobs?' + query, undefined, { signal: mine.signal });
    for (const j of got.data) jobs.put(j);
    const known = new Set(ids);
    ids.push(...got.data.map((j) => j.id).filter((id) => !known.has(id)));
    next = got.next ?? '';
    ended = !got.has_more;
    asking = null;
    show();
    if (!ended && near()) more();
  } catch (err) {
    if (err.name === 'AbortError') return;
    asking = null;
    if (err.param === 'after') return begin(); // the last video was deleted meanwhile
    $('problem').hidden = false;
    $('problem').firstElementChild.textContent = err.message;
  }
}

/** near says that the end of what is loaded will soon be seen. */
const near = () => $('more').getBoundingClientRect().top < innerHeight * 2;

new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) more(); }, { rootMargin: '100% 0px' }).observe($('more'));

$('query').addEventListener('input', later(() => { filter.q = $('query').value.trim(); begin(); }, 250));
$('find').addEventListener('submit', (event) => event.preventDefault());
$('retry').addEventListener('click', more);
$('all').addEventListener('click', () => {
  Object.assign(filter, { q: '', starred: false, tag: '' });
  $('query').value = '';
  $('starred').setAttribute('aria-pressed', 'false');
  begin();
});
$('starred').addEventListener('click', () => {
  filter.starred = !filter.starred;
  $('starred').setAttribute('aria-pressed', String(filter.starred));
  begin();
});

// Comparing: the next two videos that are clicked.
$('choose-two').addEventListener('click', () => choose(pair ? null : []));
function choose(next) {
  pair = next;
  $('choose-two').setAttribute('aria-pressed', String(pair !== null));
  $('hint').hidden = pair === null;
  for (const node of document.querySelectorAll('.poster[data-chosen]')) delete node.dataset.chosen;
}
$('shelf').addEventListener('click', (event) => {
  const poster = event.target.closest('.screen')?.closest('.poster');
  if (!pair || !poster) return;
  event.preventDefault();
  event.stopPropagation();
  const job = jobs.get(poster.dataset.job);
  if (pair.includes(job)) { pair = pair.filter((j) => j !== job); delete poster.dataset.chosen; return; }
  pair.push(job);
  poster.dataset.chosen = '';
  if (pair.length === 2) {
    const [a, b] = pair;
    choose(null);
    compare(a, b);
  }
}, { capture: true });

// A video that is finished while one looks takes its place, by when it was asked for.
jobs.watch(() => {
  if (!filter.q && (ids.length || ended)) {
    const oldest = ended ? '' : jobs.get(ids.at(-1))?.created_at ?? '';
    const known = new Set(ids);
    const come = jobs.newest().filter((j) => j.state === 'succeeded' && j.kind === 'video' && j.created_at > oldest && !known.has(j.id));
    if (come.length) {
      const all = [...come, ...ids.map((id) => jobs.get(id)).filter(Boolean)];
      ids = all.sort((a, b) => b.created_at.localeCompare(a.created_at) || b.id.localeCompare(a.id)).map((j) => j.id);
    }
  }
  show();
});
more();
