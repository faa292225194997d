// Create: a sentence, what it is made with, and the video as it comes.

import './shell.js';
import { $, api, bytes, complain, el, int, later, num, Problem, say, seconds, size, store, t, toast, usd } from './core.js';
import { jobs } from './live.js';
import { contentOf, grid, hidden, linkState, posterOf } from './card.js';
import { Prompt } from './prompt.js';

const recentShown = 24;

const form = $('composer');
const state = { models: [], model: null, frame: null, frameFile: '', after: null, pays: false };

// The list of the latest videos.
const show = grid($('recent'), posterOf);
let told = new Map();
jobs.watch(() => {
  const flight = jobs.inFlight().reverse();
  const rest = jobs.newest().filter((j) => j.state !== 'queued' && j.state !== 'running' && !hidden(j));
  const list = [...flight, ...rest].slice(0, recentShown + flight.length);
  show(list);
  $('empty').hidden = list.length > 0;
  linkState();
  for (const j of list) { // what a screen reader hears, and a title that tells in another tab
    const was = told.get(j.id);
    if (was && was !== j.state && ['succeeded', 'failed', 'cancelled'].includes(j.state)) say(t('state.' + j.state) + ': ' + j.prompt);
    told.set(j.id, j.state);
  }
  const running = flight.find((j) => j.state === 'running');
  document.title = (running ? `${running.percent} % · ` : '') + t('page.create') + ' · Kinora';
});

if (form) begin();

async function begin() {
  const prompt = new Prompt(form, requote);
  try {
    const [able, account] = await Promise.all([api('GET', '/capabilities?own=true'), api('GET', '/account').catch(() => null)]);
    state.models = able.data;
    // Where nobody pays for anything, a price would only be in the way.
    state.pays = account !== null && (account.balance_usd !== undefined || !account.postpaid || Number(account.credits_usd) > 0);
  } catch (err) { return complain(err); }
  const select = $('model');
  select.replaceChildren(...state.models.map((m) => el('option', { value: m.name }, m.name)));
  const kept = store.get('create') ?? {};
  if (state.models.some((m) => m.name === kept.model)) select.value = kept.model;
  const choose = () => {
    state.model = state.models.find((m) => m.name === select.value);
    choices(state.model);
    prompt.use(state.model);
    requote();
  };
  select.addEventListener('change', choose);
  choose();
  if (kept.seconds) setSeconds(kept.seconds);
  if (kept.size && [...$('size').options].some((o) => o.value === kept.size)) $('size').value = kept.size;

  form.addEventListener('input', (event) => { if (event.target.name !== 'prompt') requote(); if (event.target === $('seconds')) showSeconds(); });
  form.addEventListener('submit', (event) => { event.preventDefault(); send(prompt); });
  $('dice').addEventListener('click', () => { $('seed').value = String(Math.floor(Math.random() * 2 ** 32)); requote(); });
  frames();
  tries(prompt);
  await remix(prompt);
  await extend(prompt);
  requote();

  function requote() { quote(prompt); }
}

/** choices sets the form to what a model can do. */
function choices(m) {
  const range = $('seconds');
  range.min = Math.max(1, Math.ceil(m.seconds.min));
  range.max = Math.min(m.seconds.max, 60);
  range.step = Number.isInteger(m.seconds.default) ? 1 : 0.1;
  setSeconds(m.seconds.default);
  const own = m.sizes.map((s) => [s.width, s.height]);
  const [w, h] = own[0];
  for (const factor of [2, 4, 5]) {
    if (w * factor <= 2048) own.push([w * factor, h * factor]);
  }
  const list = own.some(([a, b]) => a < b) ? own : [...own, [720, 1280], [1024, 1024]];
  $('size').replaceChildren(...list.map(([a, b], i) => el('option', { value: `${a}x${b}` }, size(a, b) + (i < m.sizes.length ? '' : ' ↑'))));
  const steps = $('steps');
  steps.min = m.steps.min; steps.max = m.steps.max; steps.placeholder = num(m.steps.default); steps.value = '';
  $('steps-label').hidden = m.steps.min === m.steps.max;
  $('frame-label').hidden = !m.first_frame;
  if (!m.first_frame) setFrame(null);
}

function setSeconds(n) { $('seconds').value = n; showSeconds(); }
function showSeconds() { $('seconds-out').textContent = seconds(Number($('seconds').value)); }

/** request is what the form asks for. */
function request(prompt) {
  const body = { model: state.model.name, prompt: prompt.value, seconds: Number($('seconds').value), size: $('size').value };
  if ($('seed').value.trim()) body.seed = Number($('seed').value);
  if ($('steps').value) body.steps = Number($('steps').value);
  if (state.frame) body.image = { file_id: state.frame };
  if (state.after) { body.after = state.after.id; body.join = true; delete body.size; }
  return body;
}

let asking = null;
const quote = later(async (prompt) => {
  asking?.abort();
  const node = $('quote'), model = state.model;
  if (!model) return;
  if (!prompt.value.trim() && !state.frame && !state.after) {
    prompt.unknown([]);
    node.replaceChildren(modelLine(model));
    return;
  }
  asking = new AbortController();
  const n = Number($('versions').value);
  try {
    const q = await api('POST', '/jobs/quote', request(prompt), { signal: asking.signal });
    prompt.unknown(q.unknown_words);
    const parts = [el('b', {}, t('quote.takes', { time: seconds(q.seconds_expected * n) }))];
    if (q.jobs_ahead > 0) parts.push(' · ' + t('quote.wait', { time: seconds(q.seconds_waiting), n: int(q.jobs_ahead) }));
    const price = Number(q.price_usd) * n;
    if (state.pays && price > 0) parts.push(' · ' + usd(price));
    node.replaceChildren(...parts);
    problem('');
  } catch (err) {
    if (err.name === 'AbortError') return;
    node.replaceChildren(modelLine(model));
    if (err instanceof Problem && err.status >= 400 && err.status < 500) problem(err.message);
  }
}, 220);

function modelLine(m) {
  return el('span', {}, t('quote.model', { time: seconds(m.seconds_per_second), memory: bytes(m.memory_bytes) }));
}

function problem(text) {
  $('problem').textContent = text;
  $('problem').hidden = !text;
}

/** send submits the form: as many jobs as versions are wanted. */
async function send(prompt) {
  problem('');
  if (!prompt.value.trim() && !state.frame && !state.after) {
    problem(t('prompt.missing'));
    prompt.focus();
    return;
  }
  const button = $('send'), n = Number($('versions').value);
  button.disabled = true;
  store.set('create', { model: state.model.name, seconds: Number($('seconds').value), size: $('size').value });
  try {
    const body = request(prompt);
    // They outlive the page: who goes on to another one has sent all of them.
    await Promise.all([...Array(n)].map(async (_, i) => {
      const one = body.seed === undefined ? body : { ...body, seed: body.seed + i };
      jobs.put(await api('POST', '/jobs', one, { keepalive: true, headers: { 'Idempotency-Key': crypto.randomUUID?.() ?? String(Math.random()) } }));
    }));
    say(t('sent'));
    $('recent').scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  } catch (err) {
    problem(err.message);
  } finally {
    button.disabled = false;
  }
}

// The first frame: dropped, pasted or chosen.
function frames() {
  const area = $('drop');
  const pick = (list) => [...list].find((f) => f.type.startsWith('image/'));
  $('frame-file').addEventListener('change', (event) => { upload(pick(event.target.files)); event.target.value = ''; });
  $('frame-drop').addEventListener('click', () => { state.after = null; setFrame(null); $('frame-file').focus(); });
  form.addEventListener('dragover', (event) => {
    if (!state.model?.first_frame || ![...event.dataTransfer.items].some((i) => i.kind === 'file')) return;
    event.preventDefault();
    area.dataset.over = '';
  });
  form.addEventListener('dragleave', () => { delete area.dataset.over; });
  form.addEventListener('drop', (event) => {
    delete area.dataset.over;
    const file = pick(event.dataTransfer.files);
    if (file) { event.preventDefault(); upload(file); }
  });
  addEventListener('paste', (event) => {
    const file = pick(event.clipboardData.files);
    if (file && state.model?.first_frame) { event.preventDefault(); upload(file); }
  });
}

async function upload(file) {
  if (!file) return;
  if (file.size > 20 * 2 ** 20) return problem(t('frame.large'));
  const body = new FormData();
  body.append('purpose', 'input');
  body.append('file', file);
  try {
    const kept = await api('POST', '/uploads', body);
    setFrame(kept.id, URL.createObjectURL(file));
  } catch (err) { problem(err.message); }
}

/** extend has the video go on from one that the address names. */
async function extend(prompt) {
  const id = new URLSearchParams(location.search).get('extend');
  if (!id) return;
  history.replaceState(null, '', location.pathname);
  try {
    const job = await api('GET', '/jobs/' + encodeURIComponent(id));
    setFrame(null);
    state.after = job;
    $('frame').hidden = false;
    $('frame-image').src = contentOf(job, 'thumbnail');
    $('frame-image').alt = t('extend.from', { prompt: job.prompt });
    $('frame-drop').setAttribute('aria-label', t('extend.stop'));
    prompt.set(job.prompt);
    prompt.focus();
    toast(t('extend.done'));
  } catch (err) { complain(err); }
}

function setFrame(id, url = '') {
  if (state.frameFile) URL.revokeObjectURL(state.frameFile);
  state.frame = id;
  state.frameFile = url;
  if (id) state.after = null;
  $('frame-image').alt = t('frame.alt');
  $('frame-drop').setAttribute('aria-label', t('frame.remove'));
  $('frame').hidden = !id && !state.after;
  if (url) $('frame-image').src = url;
  form.dispatchEvent(new Event('input'));
}

/** tries offers sentences that the model understands. */
function tries(prompt) {
  const list = t('tries').split('|');
  $('tries').replaceChildren(...list.map((text) => el('button', { type: 'button', class: 'chip', onclick: () => { prompt.set(text); prompt.focus(); } }, text)));
}

/** remix fills the form with the settings of a job that the address names. */
async function remix(prompt) {
  const params = new URLSearchParams(location.search);
  const id = params.get('remix');
  if (!id) return;
  history.replaceState(null, '', location.pathname);
  try {
    const job = await api('GET', '/jobs/' + encodeURIComponent(id));
    if (state.models.some((m) => m.name === job.model)) {
      $('model').value = job.model;
      $('model').dispatchEvent(new Event('change'));
    }
    prompt.set(job.prompt);
    if (job.seconds) setSeconds(job.seconds);
    const wanted = `${job.width}x${job.height}`;
    if (job.width && ![...$('size').options].some((o) => o.value === wanted)) $('size').append(el('option', { value: wanted }, size(job.width, job.height)));
    if (job.width) $('size').value = wanted;
    $('seed').value = String(job.seed);
    if (job.steps) $('steps').value = job.steps;
    prompt.focus();
    toast(t('remix.done'));
  } catch (err) { complain(err); }
}
