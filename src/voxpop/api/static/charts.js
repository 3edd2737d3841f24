// Draws what the pages carry as JSON, with Plotly, in the colours of the page.

const probe = document.createElement("span");
function color(name) {
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function faint(name, share) {
  const [r, g, b] = color(name).match(/[\d.]+/g);
  return `rgba(${r}, ${g}, ${b}, ${share})`;
}

const STOPS = [{ dtickrange: [null, 86399999], value: "%H:%M\n%m-%d" }, { dtickrange: [86400000, null], value: "%m-%d\n%Y" }];

function frame(more) {
  const line = color("line");
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickfont: { color: color("soft"), size: 11 } };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: color("ink"), family: getComputedStyle(document.body).fontFamily, size: 12 },
    margin: { l: 44, r: 16, t: 12, b: 36 }, legend: { orientation: "h", y: 1.14, x: 0 }, hovermode: "x unified",
    hoverlabel: { bgcolor: color("raised"), bordercolor: line, font: { color: color("ink") } },
    ...more,
    xaxis: { ...axis, showgrid: false, type: "date", hoverformat: "%Y-%m-%d %H:%M", tickformatstops: STOPS, ...more.xaxis },
    yaxis: { ...axis, rangemode: "tozero", ...more.yaxis },
    ...(more.yaxis2 && { yaxis2: { ...axis, ...more.yaxis2 } }),
  };
}

function heat(data, words) {
  const most = Math.max(3, ...data.cells.flat().map((n) => n ?? 0));
  const said = data.detail.map((row) => row.map(([negative, unread, all]) =>
    `${negative} ${words.negative}${unread ? `, ${unread} ${words.unread}` : ""} / ${all} ${words.of}`));
  return {
    traces: [{
      type: "heatmap", x: data.bins, y: data.entities, z: data.cells, text: said, xgap: data.bins.length > 100 ? 0.5 : 1.5, ygap: 2,
      zmin: 0, zmax: most, showscale: false, hoverongaps: false,
      colorscale: [[0, faint("negative", 0.08)], [0.34, faint("negative", 0.38)], [1, faint("negative", 1)]],
      hovertemplate: "%{y} · %{x|%m-%d %H:%M}<br>%{text}<extra></extra>",
    }],
    layout: frame({
      height: 70 + 22 * data.entities.length, hovermode: "closest", margin: { l: 10, r: 6, t: 4, b: 34 },
      xaxis: { tickformat: "%H:%M\n%m-%d", range: [data.bins[0], data.bins.at(-1)].map((at, n) =>
        new Date(Date.parse(at) + (n ? 0.5 : -0.5) * 3600e3 * data.width).toISOString()) },
      yaxis: { autorange: "reversed", automargin: true, showgrid: false, fixedrange: true, tickvals: data.entities,
        ticktext: data.names.map((name) => (name.length > 20 ? `${name.slice(0, 19)}…` : name)), tickfont: { size: 12, color: color("ink") } },
    }),
    click: (point) => { location.href = `/entities/${encodeURIComponent(point.y)}`; },
  };
}

// Where a chart is narrow its legend stands below it, and the titles of its axes are left out.
const NARROW = 520;

// Sizes of markers: a line between two gaps has no length, so that its point is drawn as one.
function alone(values) {
  return values.map((_, n) => ((values[n - 1] ?? values[n + 1] ?? null) === null ? 5 : 0));
}

function trend(data, words, width) {
  const narrow = width < NARROW;
  // As wide as the time it counts: left alone, a bar with no neighbour would cover the day.
  const bar = (name, shade) => ({ type: "bar", name: words[name], x: data.start, y: data[name], marker: { color: shade }, width: 0.85 * 3600e3 * data.hours });
  const height = Math.max(1, ...data.start.map((_, n) => data.negative[n] + data.unread[n] + data.other[n] + data.positive[n]));
  return {
    traces: [
      bar("negative", color("negative")), bar("unread", color("amber")), bar("other", faint("soft", 0.35)),
      bar("positive", color("positive")),
      { type: "scatter", mode: "lines+markers", name: words.sentiment, x: data.start, y: data.sentiment, yaxis: "y2",
        connectgaps: false, line: { color: color("accent"), width: 1.6, shape: "hvh" }, 
        marker: { size: alone(data.sentiment), color: color("accent"), opacity: 1, line: { width: 0 } } },
      { type: "scatter", mode: "markers", name: words.alert, x: data.alerts.map((a) => a.at), customdata: data.alerts.map((a) => a.id),
        y: data.alerts.map(() => 1.06 * height), marker: { symbol: "triangle-down", size: 11, color: color("negative") },
        hovertemplate: "%{x|%m-%d %H:%M}<extra>" + words.alert + "</extra>", cliponaxis: false },
    ],
    layout: frame({
      barmode: "stack", bargap: 0.15, height: narrow ? 400 : 330,
      margin: narrow ? { l: 30, r: 34, t: 16, b: 120 } : { l: 48, r: 52, t: 34, b: 36 },
      ...(narrow && { legend: { orientation: "h", x: 0, y: -0.2, yanchor: "top" } }),
      yaxis: { title: { text: narrow ? "" : words.stories, font: { size: 11 } } },
      yaxis2: { overlaying: "y", side: "right", range: [-1.05, 1.05], tickvals: [-1, -0.5, 0, 0.5, 1], zeroline: false,
        showgrid: false, title: { text: narrow ? "" : words.sentiment, font: { size: 11 } } },
      shapes: data.alerts.map((a) => ({ type: "line", x0: a.at, x1: a.at, yref: "paper", y0: 0, y1: 1,
        line: { color: faint("negative", 0.55), dash: "dot", width: 1.2 } })),
    }),
    click: (point) => { if (point.customdata) location.href = `/alerts/${encodeURIComponent(point.customdata)}`; },
  };
}

function bars(data, words) {
  return {
    traces: [{ type: "bar", x: data.start, y: data.documents, name: words.documents, marker: { color: color("accent") } }],
    layout: frame({ height: 190, bargap: 0.15, showlegend: false }),
  };
}

function drift(data, words) {
  const shades = ["accent", "amber", "soft", "negative", "positive"];
  return {
    traces: Object.entries(data).map(([name, of], n) => ({ type: "scatter", mode: "lines+markers", name, x: of.at, y: of.score,
      line: { color: color(shades[n % shades.length]), width: 1.5 }, marker: { size: 5 } })),
    layout: frame({ height: 220, margin: { l: 44, r: 60, t: 34, b: 36 }, shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 0.25, y1: 0.25,
      line: { color: faint("negative", 0.6), dash: "dot", width: 1.2 } }],
      annotations: [{ xref: "paper", x: 1.01, xanchor: "left", y: 0.25, text: words.large, showarrow: false, font: { size: 11, color: color("negative") } }] }),
  };
}

const kinds = { heat, trend, bars, drift };

// Draws every chart within `root` that has data; a page without Plotly shows its tables all the same.
export function draw(root) {
  if (!window.Plotly) return;
  for (const holder of root.querySelectorAll("[data-chart]")) {
    const carried = holder.querySelector("script[type='application/json']");
    if (!carried) continue;
    const made = kinds[holder.dataset.chart](JSON.parse(carried.textContent), JSON.parse(holder.dataset.words ?? "{}"), holder.clientWidth);
    const canvas = document.createElement("div");
    holder.querySelector(".drawn")?.remove();
    canvas.className = "drawn";
    holder.append(canvas);
    window.Plotly.newPlot(canvas, made.traces, made.layout, { responsive: true, displayModeBar: false, displaylogo: false });
    if (made.click) canvas.on("plotly_click", (event) => made.click(event.points[0]));
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(document));
