// How a job looks: its screen, its words, and what may be done with it.

import { api, complain, el, icon, iconButton, int, num, percent, seconds, size, t, toast, ago, until, $ } from './core.js';
import { jobs } from './live.js';
import { play } from './player.js';

const fileOf = (job, role) => job.result?.files?.find((f) => f.role === role);

/** contentOf is where a file of a job is: an address that stays the same. */
export const contentOf = (job, role) => `/v1/jobs/${job.id}/files/${role}`;

/** nameOf is what a job is called: its prompt, or what it began with. */
export const nameOf = (job) => job.prompt || t('untitled');

/** standing says in words how a job stands. */
export function standing(job) {
  const left = job.seconds_left > 0 ? t('left', { time: seconds(job.seconds_left) }) : '';
  switch (job.state) {
    case 'queued': {
      const n = jobs.ahead(job.id);
      return n === undefined ? t('state.queued') : n === 0 ? t('place.next') : t('place', { n: int(n) });
    }
    case 'running':
      if (job.cancel_asked) return t('state.stopping');
      return [t('phase.' + (job.phase || 'preparing')), percent(job.percent), left].filter(Boolean).join(' · ');
    case 'failed': return t('state.failed');
    default: return t('state.' + job.state);
  }
}

/** cancel stops a job. */
export async function cancel(job) {
  try { jobs.put(await api('POST', `/jobs/${job.id}/cancel`)); } catch (err) { complain(err); }
}

/** again asks for a job once more. */
export async function again(job) {
  try {
    const made = await api('POST', `/jobs/${job.id}/again`);
    jobs.put(made);
    toast(t('again.done'));
  } catch (err) { complain(err); }
}

const previewGap = 900; // ms from one preview to the next
const undoTime = 7000;
const leaving = new Set(); // jobs that are about to be deleted
addEventListener('pagehide', () => { for (const id of leaving) api('DELETE', '/jobs/' + id, undefined, { keepalive: true }).catch(() => {}); });

/** remove deletes a job once there was time to take that back. */
export function remove(job) {
  leaving.add(job.id);
  jobs.drop(job.id);
  let kept = false;
  toast(t('deleted'), { action: t('undo'), time: undoTime, onaction: () => { kept = true; leaving.delete(job.id); jobs.put(job); } });
  setTimeout(async () => {
    if (kept || !leaving.has(job.id)) return;
    leaving.delete(job.id);
    try { await api('DELETE', '/jobs/' + job.id); } catch (err) { if (err.status !== 404) { complain(err); jobs.put(job); } }
  }, undoTime);
}

/** hidden says that a job is about to be deleted, whatever the server says of it. */
export const hidden = (job) => leaving.has(job.id);

/** remixURL leads to Create with a job's settings. */
export const remixURL = (job) => '/studio/?remix=' + job.id;

/** extendURL leads to Create, where the video goes on. */
export const extendURL = (job) => '/studio/?extend=' + job.id;

/** star gives a job a star, or takes it away. */
export async function star(job) {
  try { jobs.put(await api('PATCH', '/jobs/' + job.id, { starred: !job.starred })); } catch (err) { complain(err); }
}

/** starButton is a button that shows whether a job has a star. */
export function starButton(job) {
  const button = iconButton(job.starred ? 'star-full' : 'star', `${t('favourite')}: ${nameOf(job)}`, async () => {
    await star(jobs.get(job.id) ?? job);
    draw();
  });
  const draw = () => {
    const starred = (jobs.get(job.id) ?? job).starred;
    button.setAttribute('aria-pressed', String(starred));
    button.replaceChildren(icon(starred ? 'star-full' : 'star'));
  };
  draw();
  return button;
}

/** move gives a waiting job its turn before another one. */
export async function move(job, before) {
  try { jobs.put(await api('PATCH', '/jobs/' + job.id, { before: before.id })); } catch (err) { complain(err); }
}

/** screenOf makes the picture of a job. update brings it to another state. */
export function screenOf() {
  const image = el('img', { alt: '', decoding: 'async', loading: 'lazy' });
  const video = el('video', { muted: true, loop: true, playsinline: true, preload: 'none', tabindex: '-1', 'aria-hidden': 'true' });
  const soon = el('span', { class: 'soon' });
  const bar = el('i');
  const over = el('span', { class: 'over', hidden: true }, el('span'), el('span'));
  const called = el('span', { class: 'sr' });
  const node = el('button', { type: 'button', class: 'screen' }, called, soon, over, el('span', { class: 'progress', hidden: true }, bar), el('span', { class: 'go', hidden: true }, icon('play')));
  let job = null, shown = '', previewed = 0;

  const show = (url, lasting = false) => {
    if (url === shown) return;
    shown = url;
    if (!url) { image.remove(); return; }
    if (lasting) { // a poster, which the browser loads when it is about to be seen
      image.src = url;
      node.prepend(image);
      return;
    }
    // The next picture replaces the one before when it is there: no flicker.
    const next = new Image();
    next.onload = () => { if (shown === url) { image.src = url; node.prepend(image); } };
    next.onerror = () => { if (shown === url) shown = ''; };
    next.src = url;
  };
  const moving = () => job?.state === 'succeeded' && fileOf(job, 'video')?.content_type.startsWith('video/');
  const start = () => {
    if (!moving()) return;
    if (!video.src) video.src = contentOf(job, 'video');
    video.muted = true;
    node.append(video);
    video.play().then(() => { video.dataset.playing = ''; }).catch(() => { video.remove(); });
  };
  const stop = () => { video.pause(); delete video.dataset.playing; video.remove(); };
  node.addEventListener('pointerenter', (event) => { if (event.pointerType === 'mouse') start(); });
  node.addEventListener('pointerleave', stop);
  node.addEventListener('focus', () => { if (node.matches(':focus-visible')) start(); });
  node.addEventListener('blur', stop);
  node.addEventListener('click', () => { if (job?.state === 'succeeded') { stop(); play(job); } });

  return {
    node,
    update(next) {
      job = next;
      const done = job.state === 'succeeded', running = job.state === 'running';
      node.classList.toggle('shimmer', running && !job.preview_url);
      node.querySelector('.go').hidden = !done;
      node.querySelector('.progress').hidden = !running;
      bar.style.setProperty('--done', job.percent);
      node.disabled = !done;
      called.textContent = (done ? t('play') + ': ' : '') + nameOf(job) + '. ';
      if (done) show(contentOf(job, fileOf(job, 'thumbnail') ? 'thumbnail' : 'video'), true);
      else if (running && job.preview_url && Date.now() - previewed > previewGap) {
        previewed = Date.now();
        show(`${contentOf(job, 'preview')}?r=${job.revision}`);
      }
      else if (!running) show('');
      over.hidden = !(running || done);
      over.children[0].textContent = running ? standing(job) : '';
      over.children[1].textContent = done ? seconds(job.result.seconds ?? 0) : '';
      soon.textContent = running || done ? '' : standing(job);
      soon.classList.toggle('bad', job.state === 'failed');
    },
  };
}

/** posterOf makes a card of a job. */
export function posterOf() {
  const screen = screenOf();
  const what = el('p', { class: 'what', dir: 'auto' });
  const when = el('span');
  const foot = el('div', { class: 'foot' }, when);
  const node = el('li', { class: 'poster' }, screen.node, what, foot);
  let shape = '';
  return {
    node,
    update(job) {
      node.dataset.state = job.state;
      node.dataset.job = job.id;
      screen.update(job);
      what.textContent = nameOf(job);
      const failed = job.error && job.state === 'failed';
      when.textContent = failed ? job.error.message : job.state === 'running' || job.state === 'queued' ? '' : ago(job.finished_at ?? job.created_at);
      when.className = failed ? 'bad' : '';
      if (shape !== job.state + job.cancel_asked + job.starred) {
        shape = job.state + job.cancel_asked + job.starred;
        foot.replaceChildren(when, ...(job.state === 'succeeded' ? [starButton(job)] : []), ...actions(job));
      }
    },
  };
}

/** actions are the buttons for what may be done with a job in its state. */
export function actions(job) {
  const current = () => jobs.get(job.id) ?? job;
  const of = (label) => `${label}: ${nameOf(job)}`;
  if (job.state === 'queued' || job.state === 'running') {
    return job.cancel_asked ? [] : [iconButton('close', of(t('cancel')), async (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      await cancel(current());
      button.disabled = false;
    })];
  }
  const list = [];
  if (job.state === 'succeeded') {
    list.push(el('a', { class: 'button icon', href: contentOf(job, 'video'), download: `kinora-${job.id}${fileOf(job, 'video')?.content_type === 'image/webp' ? '.webp' : '.mp4'}`, title: of(t('download')), 'aria-label': of(t('download')) }, icon('save')));
  } else {
    list.push(iconButton('again', of(t('again')), () => again(current())));
  }
  list.push(el('a', { class: 'button icon', href: remixURL(job), title: of(t('remix')), 'aria-label': of(t('remix')) }, icon('remix')));
  list.push(iconButton('trash', of(t('delete')), () => remove(current())));
  return list;
}

/** settingsOf are what a job was asked for, in words. */
export function settingsOf(job) {
  const r = job.result ?? {};
  const rows = [
    [t('model'), job.model], [t('length'), seconds(r.seconds ?? job.seconds ?? 0)],
    [t('size'), size(r.width ?? job.width, r.height ?? job.height)], [t('seed'), String(job.seed)],
    job.steps && [t('steps'), num(job.steps)], r.fps && [t('fps'), num(r.fps)],
    job.started_at && job.finished_at && [t('took'), seconds((new Date(job.finished_at) - new Date(job.started_at)) / 1000)],
    [t('made'), ago(job.finished_at ?? job.created_at)],
    job.expires_at && [t('kept'), until(job.expires_at)],
  ].filter(Boolean);
  return el('dl', {}, ...rows.flatMap(([k, v]) => [el('dt', {}, k), el('dd', { dir: 'auto' }, v)]));
}

/** grid keeps a list of cards in step with a list of jobs. */
export function grid(list, make) {
  const cards = new Map();
  return (shown) => {
    const keep = new Set(shown.map((j) => j.id));
    for (const [id, card] of cards) if (!keep.has(id)) { card.node.remove(); cards.delete(id); }
    let before = list.firstElementChild;
    for (const job of shown) {
      let card = cards.get(job.id);
      if (!card) { card = make(job); cards.set(job.id, card); }
      if (card.job !== job || job.state === 'queued') { card.job = job; card.update(job); }
      if (card.node === before) before = before.nextElementSibling;
      else list.insertBefore(card.node, before);
    }
    list.removeAttribute('aria-busy');
  };
}

/** linkState says whether the page is up to date. */
export function linkState() {
  const node = $('link');
  const state = jobs.state();
  node.textContent = state === 'lost' ? t('link.lost') : '';
  node.toggleAttribute('data-lost', state === 'lost');
}
