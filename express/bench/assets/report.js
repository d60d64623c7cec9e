"use strict";
(() => {
  const R = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const whole = (n) => Math.round(n).toLocaleString("en-US");
  const ms = (n) => (n >= 1000 ? (n / 1000).toFixed(2) + " s" : n >= 100 ? n.toFixed(0) + " ms" : n >= 10 ? n.toFixed(1) + " ms" : n >= 1 ? n.toFixed(2) + " ms" : (n * 1000).toFixed(0) + " µs");
  const money = (n) => "$" + n.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: n && n < 0.1 ? 6 : 2 });
  const share = (n) => (n * 100).toFixed(n < 0.1 ? 1 : 0) + " %";

  function element(tag, text, className) {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (className) e.className = className;
    return e;
  }
  function table(id, heads, rows, className) {
    const t = element("table", undefined, className);
    if (heads) {
      const tr = t.createTHead().insertRow();
      heads.forEach((h) => { const th = element("th", h); th.scope = "col"; tr.append(th); });
    }
    const body = t.createTBody();
    rows.forEach((row) => { const tr = body.insertRow(); row.forEach((cell) => { tr.insertCell().textContent = cell; }); });
    $(id).replaceChildren(rows.length ? t : element("p", "none", "hint"));
  }
  const pairs = (id, rows) => table(id, null, rows, "pairs");

  const L = R.load, C = R.counts, E = R.latency_ms.e2e;
  $("title").textContent = R.workflow;
  const model = L.closed !== null ? `closed model, ${L.closed} lanes` : L.rate === "replay" ? `open model, replay at ${L.speed} times the captured speed` : `open model, rate ${L.rate}, ${L.arrivals}`;
  const where = L.pipeline ? `through Kafka (${L.pipeline}), ${L.workers ? L.workers + (L.workers > 1 ? " workers" : " worker") : "workers elsewhere"} · ` : L.target ? `at ${L.target} · ` : "";
  $("subtitle").textContent = `${R.started.replace("T", " ").replace("+00:00", " UTC")} · ${where}${model} · ${+L.seconds.toFixed(3)} s after ${L.warmup_seconds} s of warm-up · seed ${L.seed}`;
  if (R.interrupted) $("verdicts").append(element("p", "The run was interrupted: figures are those up to then.", "bad"));
  R.thresholds.forEach((t) => {
    const unit = /^(e2e|queue|execution)\./.test(t.threshold) ? ms(t.found) : t.threshold.includes(".rate") ? share(t.found) : String(t.found);
    $("verdicts").append(element("p", `${t.passed ? "✓ held" : "✗ failed"}: ${t.threshold} (found ${unit})`, t.passed ? "good" : "bad"));
  });
  R.warnings.forEach((w) => $("verdicts").append(element("p", "⚠ " + w, "warn")));
  [
    [whole(R.throughput), "executions per second"], [ms(E.p50), "end to end, p50"], [ms(E.p99), "end to end, p99"],
    [ms(E["p99.9"]), "end to end, p99.9"], [ms(E.max), "end to end, max"], [whole(C.failed + C.timed_out), "failed"],
    [whole(C.dropped), "dropped"], [whole(C.behind), "behind schedule"], [money(R.cost.million.total), "AWS, per million"],
  ].forEach(([value, label]) => { const t = element("div", undefined, "tile"); t.append(element("b", value), element("span", label)); $("tiles").append(t); });

  const coarse = (kind) => L.pipeline && kind !== "e2e";
  const cols = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];
  const kinds = [["e2e", "end to end"], ["queue", "queue wait"], ["execution", "execution"]];
  table("percentiles", ["", ...cols], kinds.map(([k, label]) => [label, ...cols.map((c) => (coarse(k) && R.latency_ms[k][c] < 1 ? "< 1 ms" : ms(R.latency_ms[k][c])))]));
  if (L.pipeline) $("resolution").textContent = " Queue wait and execution are known in whole milliseconds only.";
  table("counts", ["", "events", "share"], ["scheduled", "started", "succeeded", "failed", "timed_out", "rejected", "dropped", "unfinished", "behind"].map(
    (k) => [k.replace("_", " "), whole(C[k]), C.scheduled ? share(C[k] / C.scheduled) : "–"]));
  const K = R.cost;
  $("cost-hint").textContent = `${K.table}. Measured: ${whole(K.requests)} requests, ${K.gb_seconds.toFixed(2)} GB-seconds, ${whole(K.transitions)} transitions; ${R.worker.cpu_seconds_per_million} CPU seconds per million here.`;
  table("cost", ["", "events", "Express requests", "Express duration", "Express total", "Standard"], [
    ["this run", K.requests, K.run], ["a million", 1e6, K.million], ["a month at this rate", K.month_events, K.month],
  ].map(([label, n, b]) => [label, whole(n), money(b.requests), money(b.duration), money(b.total), K.transitions ? money(b.standard) : "–"]));
  $("states-hint").textContent = R.states.length ? "From executions traced after the load, one at a time." : "";
  table("states", ["state", "kind", "entered", "failed", "mean", "share of time"], R.states.map(
    (s) => [s.name, s.kind, whole(s.entered), whole(s.failed), ms(s.seconds / s.entered * 1000), share(s.share)]));
  table("errors", ["error", "events"], Object.entries(R.errors).map(([name, n]) => [name, whole(n)]));
  const G = R.generator, W = R.worker;
  pairs("honesty", [
    ["generator", `${share(G.cpu_share)} of a processor, in a process of its own`],
    ["schedule error", `p50 ${ms(G.error_p50_ms)}, p99 ${ms(G.error_p99_ms)}, max ${ms(G.error_max_ms)}`],
    ["worker", `${share(W.cpu_share)} of a processor, ${(W.resident_bytes / 1048576).toFixed(0)} MiB`],
    ["worker's loop", `p99 ${ms(W.loop_lag_p99_ms)} late; longest garbage collection ${ms(W.gc_pause_max_ms)}`],
    ["limits", L.pipeline ? `${whole(L.backlog)} that the broker has not acknowledged` : `${whole(L.concurrency)} at a time, ${whole(L.backlog)} waiting`],
  ]);
  const F = R.reader;
  if (F) document.querySelector("#honesty tbody").append(...[
    ["reader of results", `${share(F.cpu_share)} of a processor; ${whole(F.duplicates)} repeated results, ${whole(F.strangers)} of other records`],
  ].map((row) => { const tr = element("tr"); row.forEach((cell) => tr.append(element("td", cell))); return tr; }));
  const V = R.environment;
  pairs("environment", [
    ["processor", `${V.cpu}, ${V.cpus} CPUs, load ${(V.load_average || []).join(" ")}`], ["system", V.system], ["python", V.python],
    ["express", V.express + (V.git ? ` (${V.git})` : "")],
    ["packages", Object.entries(V.packages).map(([n, v]) => `${n} ${v}`).join(", ")],
    ["definition", "sha256 " + R.definition_sha256.slice(0, 16)],
    ["input", [L.input, L.event_bytes && `${L.event_bytes} each`, L.keys && `${whole(L.keys)} keys, ${L.key_skew}`].filter(Boolean).join(", ")],
    ["tasks", L.target ? "at " + L.target : L.mock ? "mocked: " + L.mock : "registered functions"],
    ...Object.entries(V.configuration || {}),
  ]);

  const drawn = [];
  function css(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function line(label, color, value, extra) {
    return { label, stroke: css(color), width: 2, points: { show: false }, value: (_, v) => (v == null ? "" : value(v)), ...extra };
  }
  function axis(extra) {
    return { stroke: css("--dim"), grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, font: "12px system-ui, sans-serif", ...extra };
  }
  function draw(id, data, series, scales, axes) {
    const host = $(id);
    if (!data[0].length) { host.replaceChildren(element("p", "nothing to show", "hint")); return; }
    host.replaceChildren();
    const size = () => ({ width: Math.max(host.clientWidth, 240), height: id === "spectrum" ? 300 : 240 });
    const chart = new uPlot({ ...size(), series, scales, axes, cursor: { points: { size: 7 } }, legend: { live: true } }, data, host);
    const watch = new ResizeObserver(() => { const s = size(); if (s.width !== chart.width) chart.setSize(s); });
    watch.observe(host);
    drawn.push({ chart, watch });
  }
  const decade = (t) => t !== null && Math.abs(Math.log10(t) - Math.round(Math.log10(t))) < 1e-9;
  const short = (t) => (t >= 1000 ? t / 1000 + " s" : t < 1 ? Math.round(t * 1000) + " µs" : t + " ms");
  const msAxis = () => axis({ size: 70, values: (_, ticks) => ticks.map((t) => (decade(t) ? short(t) : "")) });
  const countAxis = () => axis({ size: 70, values: (_, ticks) => ticks.map((t) => (t >= 1e6 ? t / 1e6 + "M" : t >= 1e4 ? t / 1e3 + "k" : t)) });
  const secondAxis = () => axis({ values: (_, ticks) => ticks.map((t) => t + " s") });

  function spectrum() {
    const points = new Set();
    const curves = kinds.map(([k]) => R.latency_ms[k].spectrum.map(([s, v]) => [s < 1 ? 1 / (1 - s) : Math.max(R.latency_ms[k].count, 2), v]));
    curves.forEach((c) => c.forEach(([x]) => points.add(x)));
    const xs = [...points].sort((a, b) => a - b);
    const columns = curves.map((c, i) => { const at = new Map(c); return xs.map((x) => (at.has(x) ? Math.max(at.get(x), coarse(kinds[i][0]) ? 0.5 : 0.001) : null)); });
    const name = (x) => { const p = 100 * (1 - 1 / x); const nines = Math.max(0, Math.ceil(Math.log10(x) - 1.999)); return "p" + +p.toFixed(nines + (p < 90 && p % 1 ? 1 : 0)); };
    const colors = ["--c1", "--c2", "--c3"];
    draw("spectrum", [xs, ...columns],
      [{ label: "percentile", value: (_, v) => (v == null ? "" : name(v)) }, ...kinds.map(([, label], i) => line(label, colors[i], ms, { spanGaps: true, ...(i ? { width: 1.5 } : {}) }))],
      { x: { time: false, distr: 3, log: 10 }, y: { distr: 3, log: 10 } },
      [axis({ values: (_, ticks) => ticks.map((t) => (decade(t) ? name(t) : "")) }),
       msAxis()]);
  }
  function paint() {
    drawn.splice(0).forEach(({ chart, watch }) => { watch.disconnect(); chart.destroy(); });
    const S = R.series.filter((s, i, all) => all.length > L.seconds + 1 || s.second < L.seconds), xs = S.map((s) => s.second);
    const column = (f) => S.map(f);
    const plain = { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } };
    const log = { x: { time: false }, y: { distr: 3, log: 10 } };
    const at = { label: "second", value: (_, v) => (v == null ? "" : v + " s") };
    const positive = (v) => (v > 0 ? v : null);
    spectrum();
    draw("rates", [xs, column((s) => s.scheduled), column((s) => s.ended), column((s) => s.failed), column((s) => s.dropped)],
      [at, line("scheduled", "--c1", whole, { dash: [6, 4] }), line("ended", "--c3", whole), line("failed", "--c2", whole), line("dropped", "--c4", whole)], plain, [secondAxis(), countAxis()]);
    draw("latency", [xs, column((s) => positive(s.p50)), column((s) => positive(s.p90)), column((s) => positive(s.p99)), column((s) => positive(s.max))],
      [at, line("p50", "--c3", ms), line("p90", "--c1", ms), line("p99", "--c2", ms), line("max", "--c4", ms, { dash: [4, 4], width: 1.5 })], log,
      [secondAxis(), msAxis()]);
    draw("flight", [xs, column((s) => s.in_flight), column((s) => s.waiting)],
      [at, line("in flight", "--c1", whole), line("waiting", "--c2", whole)], plain, [secondAxis(), countAxis()]);
    if (L.pipeline) draw("lag", [xs, column((s) => s.lag)], [at, line("records behind", "--c2", whole)], plain, [secondAxis(), countAxis()]);
  }
  if (!L.pipeline) $("lag-section").remove();
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
})();
