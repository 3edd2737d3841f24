// Draws the trend of an entity: stories by kind as bars, mean sentiment as a line, alerts as dashed marks.
"use strict";
const holder = document.getElementById("trend");
const data = JSON.parse(document.getElementById("trend-data")?.textContent ?? "null");
if (holder && data) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const ink = dark ? "#e6eaf0" : "#1b2430";
  const bar = (name, values, color) => ({ type: "bar", name, x: data.start, y: values, marker: { color } });
  const traces = [
    bar("negative", data.negative, dark ? "#ff8a80" : "#b3261e"),
    bar("unread", data.unread, dark ? "#e5b95c" : "#c08a1a"),
    bar("other", data.other, dark ? "#5a6675" : "#c3cbd5"),
    bar("positive", data.positive, dark ? "#6fd699" : "#4f9d6c"),
    { type: "scatter", mode: "lines+markers", name: "sentiment", x: data.start, y: data.sentiment, yaxis: "y2",
      connectgaps: false, line: { color: dark ? "#7db7f5" : "#0b5cad", width: 1.5 }, marker: { size: 4 } },
  ];
  const layout = {
    barmode: "stack", margin: { l: 50, r: 60, t: 40, b: 40 }, height: 350,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink },
    legend: { orientation: "h", y: 1.15 }, hovermode: "x unified",
    yaxis: { title: { text: `stories in ${data.hours} h` }, rangemode: "tozero" },
    yaxis2: { overlaying: "y", side: "right", range: [-1, 1], tickvals: [-1, -0.5, 0, 0.5, 1], zeroline: false, title: { text: "sentiment" }, showgrid: false },
    shapes: data.alerts.map((a) => ({ type: "line", x0: a.at, x1: a.at, yref: "paper", y0: 0, y1: 1,
      line: { color: dark ? "#ff8a80" : "#b3261e", dash: "dash", width: 1.5 } })),
    annotations: data.alerts.map((a) => ({ x: a.at, yref: "paper", y: 1, yshift: 10, text: "alert", hovertext: a.text,
      showarrow: false, font: { color: dark ? "#ff8a80" : "#b3261e", size: 11 } })),
  };
  Plotly.newPlot(holder, traces, layout, { responsive: true, displaylogo: false, displayModeBar: false });
}
