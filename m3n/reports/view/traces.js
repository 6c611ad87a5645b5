// Labels and samples over time. Both draw the stretch of time that `Span` holds; a long clip shows a part, which follows the clock.

const INK = { x: "#d6403a", y: "#2f9a48", z: "#2f6fde", norm: "#35414d", beside: "#e08a1e", grid: "#e6eaef", words: "#66727f" };
const SIGNALS = [["acceleration", "m/s²", 0], ["angular rate", "rad/s", 3]];
const HUES = ["#a9c9f5", "#f7c99a", "#b5dfb0", "#f2b5b5", "#d5c2ee", "#e3cfae", "#f3bfdc", "#c9ced6", "#e2e19a", "#a8dfe4", "#ffd37a", "#bcd0a2"];
const LEFT = 60, BOTTOM = 16, TOP = 20;

class Span {
  constructor() { this.start = 0; this.length = 1; this.whole = 1; }
  show(seconds) { this.whole = seconds; this.length = seconds <= 30 ? seconds : 20; this.start = 0; }
  seek(seconds) { // whether it moved
    const before = this.start;
    if (this.length >= this.whole) this.start = 0;
    else if (seconds < this.start || seconds > this.start + 0.8 * this.length) this.start = seconds - 0.2 * this.length;
    this.start = Math.max(0, Math.min(this.start, this.whole - this.length));
    return this.start !== before;
  }
  zoom(factor, seconds) {
    this.length = Math.max(Math.min(0.5, this.whole), Math.min(this.whole, this.length * factor));
    this.start = Math.max(0, Math.min(seconds - this.length / 2, this.whole - this.length));
  }
}

function dragged(element, at) { // press or drag along the time axis
  const tell = (e) => at(e.clientX - element.getBoundingClientRect().left);
  element.addEventListener("pointerdown", (e) => { element.setPointerCapture(e.pointerId); tell(e); });
  element.addEventListener("pointermove", (e) => { if (e.buttons) tell(e); });
}

class Bands { // what is done, over the whole clip
  constructor(root, seek) { this.root = root; this.seekTo = seek; }

  show(clip) {
    const hues = new Map();
    const hue = (label) => { if (!hues.has(label)) hues.set(label, HUES[hues.size % HUES.length]); return hues.get(label); };
    this.whole = clip.seconds;
    this.heads = [];
    this.root.replaceChildren(...Object.entries(clip.bands).map(([name, parts]) => {
      const row = document.createElement("div"), title = document.createElement("span"), line = document.createElement("div");
      row.className = "band"; title.textContent = name;
      for (const [start, stop, label, confidence] of parts) {
        const part = document.createElement("i");
        part.textContent = label;
        part.title = `${label}, ${start.toFixed(2)} to ${stop.toFixed(2)} s` + (confidence === null ? "" : `, confidence ${confidence.toFixed(2)}`);
        part.style.left = `${100 * start / clip.seconds}%`;
        part.style.width = `${100 * (stop - start) / clip.seconds}%`;
        part.style.background = hue(label);
        if (confidence !== null) part.style.opacity = 0.35 + 0.65 * confidence;
        line.append(part);
      }
      const head = document.createElement("u");
      line.append(head);
      this.heads.push(head);
      dragged(line, (x) => this.seekTo(this.whole * x / line.clientWidth));
      row.append(title, line);
      return row;
    }));
  }

  seek(seconds) { for (const head of this.heads) head.style.left = `${100 * seconds / this.whole}%`; }
}

class Traces {
  constructor(root, legend, seek) {
    this.root = root; this.legend = legend; this.seekTo = seek; this.mode = "axes"; this.span = new Span(); this.plots = [];
    new ResizeObserver(() => this.draw()).observe(root);
  }

  show(clip) {
    this.clip = clip;
    this.span.show(clip.seconds);
    this.plots = [];
    const taken = ({ samples, rate_hz, lag_s, note }) => ({ values: unpacked(samples, Float32Array), rate_hz, lag_s, note });
    this.root.replaceChildren(...Object.entries(clip.traces).map(([name, trace]) => {
      const beside = clip.beside[name] ? taken(clip.beside[name]) : null;
      return this.worn(name, taken(trace), beside);
    }));
    if (!this.plots.length) {
      const none = document.createElement("p");
      none.className = "none"; none.textContent = clip.note || "No samples.";
      this.root.append(none);
    }
    this.paint();
  }

  worn(name, trace, beside) {
    const part = document.createElement("div"), title = document.createElement("h2"), small = document.createElement("small");
    part.className = "worn";
    title.textContent = name.replaceAll("_", " ");
    small.textContent = `${trace.rate_hz.toFixed(trace.rate_hz % 1 ? 1 : 0)} Hz` + (beside ? ` · beside: ${beside.rate_hz.toFixed(0)} Hz${beside.note ? ", " + beside.note : ""}` : "");
    title.append(small);
    part.append(title, ...SIGNALS.map(([signal, unit, first]) => {
      const root = document.createElement("div"), canvas = document.createElement("canvas");
      const head = document.createElement("div"), readout = document.createElement("output");
      root.className = "plot"; head.className = "head";
      root.append(canvas, head, readout);
      dragged(root, (x) => this.seekTo(this.span.start + this.span.length * (x - LEFT) / (root.clientWidth - LEFT - 4)));
      root.addEventListener("wheel", (e) => { if (e.ctrlKey || e.altKey) { e.preventDefault(); this.zoom(Math.exp(e.deltaY * 0.002)); } }, { passive: false });
      this.plots.push({ root, canvas, head, readout, signal, unit, first, trace, beside });
      return root;
    }));
    return part;
  }

  zoom(factor) { this.span.zoom(factor, this.at || 0); this.draw(); this.seek(this.at || 0); }

  paint() { // after a change of mode or clip
    const beside = this.plots.some((plot) => plot.beside);
    const keys = this.mode === "axes" ? [["x", INK.x], ["y", INK.y], ["z", INK.z]] : [["norm", beside ? INK.z : INK.norm]];
    if (beside) keys.push(["beside it", this.mode === "axes" ? INK.words : INK.beside, this.mode === "axes"]);
    this.legend.replaceChildren(...keys.map(([name, colour, dashed]) => {
      const key = document.createElement("span"), line = document.createElement("i");
      line.style.borderColor = colour; if (dashed) line.className = "dashed";
      key.append(line, name);
      return key;
    }));
    for (const plot of this.plots) {
      const sides = [plot.trace, plot.beside].filter(Boolean);
      plot.lines = sides.flatMap((side, i) => this.lines(side, plot.first, i));
      const known = plot.lines.flatMap(({ values }) => extent(values));
      [plot.low, plot.high] = [Math.min(0, ...known), Math.max(0, ...known)];
      plot.empty = !known.length;
      const room = 0.06 * (plot.high - plot.low) || 1;
      plot.low -= plot.low < 0 ? room : 0; plot.high += room;
    }
    this.draw();
    this.seek(this.at || 0);
  }

  lines(side, first, overlay) {
    const count = side.values.length / 6, pick = (value) => Float32Array.from({ length: count }, (_, k) => value(6 * k + first));
    const v = side.values, common = { rate: side.rate_hz, shift: -side.lag_s };
    if (this.mode === "norm") {
      const both = this.plots.some((plot) => plot.beside);
      return [{ ...common, values: pick((i) => Math.hypot(v[i], v[i + 1], v[i + 2])), colour: overlay ? INK.beside : both ? INK.z : INK.norm, name: overlay ? "beside it" : "norm" }];
    }
    return ["x", "y", "z"].map((name, axis) => ({ ...common, values: pick((i) => v[i + axis]), colour: INK[name], dashed: overlay, name }));
  }

  draw() { for (const plot of this.plots) if (plot.lines) this.drawPlot(plot); }

  drawPlot(plot) {
    const { canvas, root } = plot, sharp = Math.min(window.devicePixelRatio || 1, 2), [w, h] = [root.clientWidth, root.clientHeight];
    if (!w || !h) return;
    canvas.width = Math.round(w * sharp); canvas.height = Math.round(h * sharp);
    const g = canvas.getContext("2d");
    g.scale(sharp, sharp);
    g.font = "10.5px system-ui, 'DejaVu Sans', sans-serif";
    const { start, length } = this.span, wide = w - LEFT - 4, high = h - TOP - BOTTOM;
    const X = (t) => LEFT + wide * (t - start) / length, Y = (v) => TOP + high * (1 - (v - plot.low) / (plot.high - plot.low));
    g.textBaseline = "middle"; g.textAlign = "right"; g.lineWidth = 1;
    for (const v of ticks(plot.low, plot.high, 4)) {
      g.strokeStyle = v === 0 ? "#b7c0ca" : INK.grid; g.fillStyle = INK.words;
      g.beginPath(); g.moveTo(LEFT, Y(v)); g.lineTo(LEFT + wide, Y(v)); g.stroke();
      g.fillText(String(+v.toPrecision(6)), LEFT - 5, Y(v));
    }
    g.textAlign = "center"; g.textBaseline = "alphabetic";
    for (const t of ticks(start, start + length, Math.max(3, wide / 90))) {
      g.strokeStyle = INK.grid; g.beginPath(); g.moveTo(X(t), TOP); g.lineTo(X(t), TOP + high); g.stroke();
      g.fillStyle = INK.words; g.fillText(`${+t.toPrecision(6)} s`, Math.min(X(t), LEFT + wide - 10), h - 3);
    }
    g.textAlign = "left"; g.fillStyle = INK.words;
    g.fillText(`${plot.signal}, ${plot.unit}`, LEFT, 13);
    if (plot.empty) { g.fillText("not recorded", LEFT + wide / 2 - 30, TOP + high / 2); return; }
    g.save(); g.beginPath(); g.rect(LEFT, TOP, wide, high); g.clip();
    g.lineJoin = "round";
    for (const line of plot.lines) {
      g.strokeStyle = line.colour; g.globalAlpha = line.dashed ? 0.75 : 1; g.lineWidth = line.dashed ? 1.1 : 1.4;
      g.setLineDash(line.dashed ? [5, 3] : []);
      stroke(g, line, start, start + length, X, Y, wide);
    }
    g.restore();
  }

  seek(seconds) {
    this.at = seconds;
    if (this.span.seek(seconds)) this.draw();
    for (const plot of this.plots) {
      const wide = plot.root.clientWidth - LEFT - 4;
      plot.head.style.left = `${LEFT + wide * (seconds - this.span.start) / this.span.length}px`;
      const said = plot.lines.map((line) => {
        const value = line.values[Math.round((seconds - line.shift) * line.rate)];
        return value === undefined || Number.isNaN(value) ? null : [line, value];
      });
      plot.readout.replaceChildren(...said.filter((pair) => pair && !(this.mode === "axes" && pair[0].dashed)).map(([line, value]) => {
        const one = document.createElement("span");
        one.style.color = line.colour;
        one.textContent = ` ${line.name === "norm" ? "" : line.name + " "}${value.toFixed(2).padStart(6)} `;
        return one;
      }));
    }
  }
}

function extent(values) {
  let low = Infinity, high = -Infinity;
  for (const v of values) if (Number.isFinite(v)) { if (v < low) low = v; if (v > high) high = v; }
  return low <= high ? [low, high] : [];
}

function stroke(g, { values, rate, shift }, start, stop, X, Y, wide) {
  const from = Math.max(0, Math.floor((start - shift) * rate) - 1), to = Math.min(values.length, Math.ceil((stop - shift) * rate) + 2);
  const each = Math.max(1, Math.floor((to - from) / (1.5 * wide))); // more than a sample a pixel: lowest and highest of each
  g.beginPath();
  for (let k = from; k < to; k += each) {
    if (each === 1) { g.lineTo(X(k / rate + shift), Y(values[k])); continue; }
    let low = Infinity, high = -Infinity;
    for (let i = k; i < Math.min(k + each, to); i++) { low = Math.min(low, values[i]); high = Math.max(high, values[i]); }
    g.lineTo(X(k / rate + shift), Y(low)); g.lineTo(X(k / rate + shift), Y(high));
  }
  g.stroke();
}

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((k) => k * power >= rough), found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
  return found;
}
