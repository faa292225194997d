// The project's jobs as they stand, kept up to date by one stream of events.
//
// All tabs of a browser share a stream: the tab that holds a lock reads it, and hands
// each event to the others. When that tab goes, another one takes over. A browser
// without locks, as on a plain http address of another machine, reads a stream in
// each tab that is seen.

import { api, Problem, signInAgain } from './core.js';

const watchers = new Set();
const all = new Map(); // by id
let ahead = {};
let state = 'joining'; // joining, live, lost

/** jobs is what the page knows. */
export const jobs = {
  get: (id) => all.get(id),
  /** inFlight are those that wait or run, in the order in which they will start. */
  inFlight() {
    return [...all.values()].filter((j) => j.state === 'queued' || j.state === 'running').sort(
      (a, b) => (a.state === b.state ? 0 : a.state === 'running' ? -1 : 1) || (ahead[a.id] ?? 1e6) - (ahead[b.id] ?? 1e6) || b.priority - a.priority || a.created_at.localeCompare(b.created_at));
  },
  /** newest are all of them, the newest first. */
  newest: () => [...all.values()].sort((a, b) => b.created_at.localeCompare(a.created_at) || b.id.localeCompare(a.id)),
  ahead: (id) => ahead[id],
  state: () => state,
  /** put takes a job that an answer had. */
  put(job) { if (take(job)) tell(); },
  drop(id) { if (all.delete(id)) tell(); },
  /** watch calls fn after each change, and now. */
  watch(fn) { watchers.add(fn); if (state !== 'joining') fn(); return () => watchers.delete(fn); },
};

let telling = false;
function tell() {
  if (telling) return;
  telling = true;
  queueMicrotask(() => { telling = false; for (const fn of watchers) fn(); });
}

function take(job) {
  const old = all.get(job.id);
  if (old && old.revision >= job.revision) return false;
  all.set(job.id, job);
  return true;
}

function stand(next) {
  if (state !== next) { state = next; tell(); }
}

/** recent is how many finished jobs a page begins with. */
const recent = 24;

// resync asks for everything again: what happened while nobody listened is in the
// answer. Jobs that are not in flight any more are asked for one by one.
let syncing = null;
function resync() {
  syncing ??= (async () => {
    try {
      const [flight, ended] = await Promise.all([pages('/jobs?state=queued,running&limit=100'), api('GET', `/jobs?state=succeeded,failed,cancelled,expired&limit=${recent}`)]);
      const seen = new Set([...flight, ...ended.data].map((j) => j.id));
      for (const j of [...flight, ...ended.data]) take(j);
      await Promise.all([...all.values()].filter((j) => !seen.has(j.id) && (j.state === 'queued' || j.state === 'running')).map(async (j) => {
        try { take(await api('GET', '/jobs/' + j.id)); } catch (err) { if (err instanceof Problem && err.status === 404) all.delete(j.id); }
      }));
      state = 'live';
      tell();
    } catch (err) {
      stand('lost');
      if (!(err instanceof Problem) || err.status === 401) return;
      setTimeout(resync, 3000);
    } finally { syncing = null; }
  })();
  return syncing;
}

async function pages(path) {
  const list = [];
  for (let after = ''; ;) {
    const page = await api('GET', path + after);
    list.push(...page.data);
    if (!page.has_more) return list;
    after = '&after=' + page.next;
  }
}

function receive({ name, data }) {
  if (name === 'hello') resync();
  else if (name === 'lost') stand('lost');
  else if (name === 'job' && take(data)) tell();
  else if (name === 'gone' && all.delete(data.id)) tell();
  else if (name === 'queue') { ahead = data.ahead; tell(); }
}

// read follows the stream until the tab lets it go.
function read(hand) {
  let source, timer;
  const open = () => {
    source = new EventSource('/v1/events');
    for (const name of ['hello', 'job', 'gone', 'queue']) {
      source.addEventListener(name, (event) => hand({ name, data: JSON.parse(event.data) }));
    }
    source.addEventListener('error', () => {
      hand({ name: 'lost' });
      if (source.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
      // It was refused: the session may have ended, or the server is starting.
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const answer = await fetch('/v1/account', { credentials: 'same-origin' }).catch(() => null);
        if (answer?.status === 401) signInAgain();
        else open();
      }, 2000);
    });
  };
  open();
  return () => { clearTimeout(timer); source.close(); };
}

const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('kinora-events') : null;

function start() {
  resync();
  if (navigator.locks && channel) {
    channel.addEventListener('message', (event) => receive(event.data));
    const lead = () => navigator.locks.request('kinora-events', () => {
      const stop = read((event) => { receive(event); channel.postMessage(event); });
      return new Promise((leave) => addEventListener('pagehide', () => { stop(); leave(); }, { once: true }));
    }).catch(() => { /* the page is going */ });
    lead();
    addEventListener('pageshow', (event) => { if (event.persisted) { resync(); lead(); } });
    return;
  }
  let stop = null;
  const look = () => {
    if (document.hidden) { stop?.(); stop = null; } else stop ??= read(receive);
  };
  document.addEventListener('visibilitychange', look);
  look();
}

addEventListener('online', resync);
start();
