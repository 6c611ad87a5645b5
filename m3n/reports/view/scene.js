// The body and its sensors in WebGL. World: z up, metres. The skin bends as SMPL's does (linear blend skinning): a vertex
// follows the weighted mean of its bones, each of which turns by the quaternion of its joint and moves with the joint's place.

function unpacked(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Kind(bytes.buffer);
}

const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const times = (a, k) => [a[0] * k, a[1] * k, a[2] * k];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const size = (a) => Math.hypot(a[0], a[1], a[2]);
const unit = (a) => times(a, 1 / Math.max(size(a), 1e-9));

function rotated(q, v) {
  const u = [q[0], q[1], q[2]];
  const t = times(cross(u, v), 2);
  return add(add(v, times(t, q[3])), cross(u, t));
}

function product(a, b) { // of 4 x 4 matrices by columns
  const out = new Float32Array(16);
  for (let c = 0; c < 4; c++) for (let r = 0; r < 4; r++) for (let k = 0; k < 4; k++) out[4 * c + r] += a[4 * k + r] * b[4 * c + k];
  return out;
}

const LIGHT = `
uniform vec3 lamp;
vec3 lit(vec3 colour, vec3 normal, vec3 towards) {
  vec3 n = normalize(normal);
  float key = max(dot(n, lamp), 0.0);
  float fill = 0.5 + 0.5 * dot(n, towards);
  float rim = pow(1.0 - max(dot(n, towards), 0.0), 3.0);
  return colour * (0.40 + 0.42 * key + 0.24 * fill) + 0.10 * rim;
}`;
const SKIN = [`#version 300 es
uniform mat4 camera; uniform vec4 turn[24]; uniform vec3 move[24]; uniform float flatten; uniform float ground;
in vec3 place; in vec3 normal; in uvec4 bones; in vec4 weights;
out vec3 way; out vec3 at;
vec3 rotated(vec4 q, vec3 v) { return v + 2.0 * cross(q.xyz, cross(q.xyz, v) + q.w * v); }
void main() {
  vec3 p = vec3(0), n = vec3(0);
  for (int i = 0; i < 4; i++) {
    vec4 q = turn[bones[i]];
    p += weights[i] * (rotated(q, place) + move[bones[i]]);
    n += weights[i] * rotated(q, normal);
  }
  if (flatten > 0.5) p = vec3(p.xy + vec2(-0.12, 0.18) * (p.z - ground), ground + 0.002);
  way = n; at = p;
  gl_Position = camera * vec4(p, 1);
}`, `#version 300 es
precision highp float;
uniform vec3 eye; uniform vec4 colour; uniform float flatten;
in vec3 way; in vec3 at; out vec4 shown;
${LIGHT}
void main() { shown = flatten > 0.5 ? colour : vec4(lit(colour.rgb, way, normalize(eye - at)), colour.a); }`];
const SOLID = [`#version 300 es
uniform mat4 camera; uniform vec3 origin; uniform mat3 axes;
in vec3 place; in vec3 normal;
out vec3 way; out vec3 at;
void main() { at = origin + axes * place; way = inverse(transpose(axes)) * normal; gl_Position = camera * vec4(at, 1); }`,
`#version 300 es
precision highp float;
uniform vec3 eye; uniform vec4 colour;
in vec3 way; in vec3 at; out vec4 shown;
${LIGHT}
void main() { shown = vec4(lit(colour.rgb, way, normalize(eye - at)), colour.a); }`];
const FLOOR = [`#version 300 es
uniform mat4 camera; uniform vec3 middle;
in vec3 place; out vec3 at;
void main() { at = middle + 12.0 * place; gl_Position = camera * vec4(at, 1); }`, `#version 300 es
precision highp float;
uniform vec3 middle; in vec3 at; out vec4 shown;
float lines(vec2 p, float step) { vec2 g = abs(fract(p / step - 0.5) - 0.5) * step / fwidth(p); return 1.0 - min(min(g.x, g.y), 1.0); }
void main() {
  float fade = 1.0 - smoothstep(1.5, 7.0, length(at.xy - middle.xy));
  shown = vec4(0.36, 0.43, 0.52, fade * max(0.34 * lines(at.xy, 1.0), 0.13 * lines(at.xy, 0.25)));
}`];

function ring(profile, sides) { // a solid of revolution about z: profile of [radius, z], flat shaded along it
  const places = [], normals = [];
  for (let p = 0; p + 1 < profile.length; p++) {
    const [[r0, z0], [r1, z1]] = [profile[p], profile[p + 1]];
    const slope = unit([z1 - z0, 0, r0 - r1]);
    for (let i = 0; i < sides; i++) {
      const [a, b] = [i, i + 1].map((k) => 2 * Math.PI * k / sides);
      const point = (angle, r, z) => [r * Math.cos(angle), r * Math.sin(angle), z];
      const normal = (angle) => [slope[0] * Math.cos(angle), slope[0] * Math.sin(angle), slope[2]];
      for (const [angle, r, z] of [[a, r0, z0], [b, r0, z0], [b, r1, z1], [a, r0, z0], [b, r1, z1], [a, r1, z1]]) {
        places.push(...point(angle, r, z)); normals.push(...normal(angle));
      }
    }
  }
  return { places, normals };
}

function box([x, y, z]) {
  const places = [], normals = [];
  for (const [n, u, v] of [[0, 1, 2], [1, 2, 0], [2, 0, 1]]) for (const side of [-1, 1]) {
    const corner = (a, b) => { const p = [0, 0, 0]; p[n] = side; p[u] = a; p[v] = b; return [p[0] * x / 2, p[1] * y / 2, p[2] * z / 2]; };
    for (const [a, b] of [[-1, -1], [1, -1], [1, 1], [-1, -1], [1, 1], [-1, 1]]) {
      places.push(...corner(a, b)); const q = [0, 0, 0]; q[n] = side; normals.push(...q);
    }
  }
  return { places, normals };
}

const AXES = [[0.84, 0.22, 0.2], [0.16, 0.58, 0.26], [0.16, 0.4, 0.86]];
const SPHERE = Array.from({ length: 9 }, (_, i) => [Math.sin(Math.PI * i / 8), -Math.cos(Math.PI * i / 8)]);

class Scene {
  constructor(root, body) {
    this.root = root; this.body = body; this.look = "skin"; this.motion = null;
    this.canvas = root.querySelector("canvas");
    const gl = this.gl = this.canvas.getContext("webgl2", { antialias: true, stencil: true, alpha: true, premultipliedAlpha: false });
    if (!gl) throw new Error("This browser has WebGL 2 switched off, so the body cannot be drawn; the traces below work all the same.");
    this.skin = this.program(SKIN); this.solid = this.program(SOLID); this.floor = this.program(FLOOR);
    this.arrow = this.solidShape(ring([[0, 0], [0.0042, 0], [0.0042, 0.105], [0.0115, 0.105], [0, 0.14]], 14));
    this.ball = this.solidShape(ring(SPHERE, 18));
    this.rod = this.solidShape(ring([[0.016, 0], [0.016, 1]], 16));
    this.case = this.solidShape(box([0.038, 0.034, 0.012]));
    this.square = this.solidShape({ places: [-1, -1, 0, 1, -1, 0, 1, 1, 0, -1, -1, 0, 1, 1, 0, -1, 1, 0], normals: Array(18).fill(0) }, this.floor);
    this.faces = unpacked(body.faces, Uint16Array);
    this.skinBuffers();
    this.reset();
    this.listen();
  }

  program([vertex, fragment]) {
    const gl = this.gl, made = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(made, shader);
    }
    ["place", "normal", "bones", "weights"].forEach((name, i) => gl.bindAttribLocation(made, i, name));
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error("The body cannot be drawn here: " + gl.getProgramInfoLog(made));
    return { made, at: (name) => gl.getUniformLocation(made, name) };
  }

  buffer(values, place, count, kind, integer) {
    const gl = this.gl;
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(place);
    if (integer) gl.vertexAttribIPointer(place, count, kind, 0, 0); else gl.vertexAttribPointer(place, count, kind, kind !== gl.FLOAT, 0, 0);
  }

  solidShape({ places, normals }) {
    const gl = this.gl, array = gl.createVertexArray();
    gl.bindVertexArray(array);
    this.buffer(new Float32Array(places), 0, 3, gl.FLOAT);
    this.buffer(new Float32Array(normals), 1, 3, gl.FLOAT);
    return { array, count: places.length / 3 };
  }

  skinBuffers() {
    const gl = this.gl;
    this.skinArray = gl.createVertexArray();
    gl.bindVertexArray(this.skinArray);
    this.places = gl.createBuffer(); this.normals = gl.createBuffer();
    [this.places, this.normals].forEach((held, i) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, held); gl.enableVertexAttribArray(i); gl.vertexAttribPointer(i, 3, gl.FLOAT, false, 0, 0);
    });
    this.buffer(unpacked(this.body.bones, Uint8Array), 2, 4, gl.UNSIGNED_BYTE, true);
    this.buffer(unpacked(this.body.weights, Uint8Array), 3, 4, gl.UNSIGNED_BYTE);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.faces, gl.STATIC_DRAW);
  }

  dress({ skin, skin_scale }) { // the skin of a person, and its normals from the triangles
    const { faces, gl } = this, v = Float32Array.from(unpacked(skin, Int16Array), (x) => x * skin_scale), normals = new Float32Array(v.length);
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
      const [ux, uy, uz, wx, wy, wz] = [v[b] - v[a], v[b + 1] - v[a + 1], v[b + 2] - v[a + 2], v[c] - v[a], v[c + 1] - v[a + 1], v[c + 2] - v[a + 2]];
      const [x, y, z] = [uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx];
      for (const i of [a, b, c]) { normals[i] += x; normals[i + 1] += y; normals[i + 2] += z; }
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places); gl.bufferData(gl.ARRAY_BUFFER, v, gl.DYNAMIC_DRAW);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.normals); gl.bufferData(gl.ARRAY_BUFFER, normals, gl.DYNAMIC_DRAW);
  }

  show(clip) {
    const motion = clip.motion;
    this.root.hidden = !motion;
    this.motion = null;
    this.root.querySelector("#tags").replaceChildren();
    if (!motion) return;
    this.motion = { ...motion, quats: unpacked(motion.quats, Int16Array), pelvis: unpacked(motion.pelvis, Float32Array) };
    this.frames = this.motion.pelvis.length / 3;
    this.dress(motion);
    let lowest = Infinity;
    for (let f = 0; f < this.frames; f++) for (const [, , z] of this.pose(f).places) lowest = Math.min(lowest, z);
    this.ground = lowest - 0.025; // from a toe's joint to the sole
    const front = rotated(this.pose(0).turns[0], [0, 0, 1]); // the way the hips look
    this.facing = Math.atan2(front[1], front[0]);
    this.tags = Object.keys(motion.sensors).map((name) => {
      const tag = document.createElement("span");
      tag.textContent = name.replaceAll("_", " ");
      this.root.querySelector("#tags").append(tag);
      return tag;
    });
    this.reset();
  }

  pose(frame) { // quaternions and places of the joints, between two frames
    const { quats, pelvis, rest } = this.motion, parents = this.body.parents;
    const a = Math.max(0, Math.min(Math.floor(frame), this.frames - 1)), b = Math.min(a + 1, this.frames - 1), k = Math.min(Math.max(frame - a, 0), 1);
    const turns = [], places = [];
    for (let j = 0; j < parents.length; j++) {
      const [p, q] = [a, b].map((f) => Array.from(quats.subarray(4 * (24 * f + j), 4 * (24 * f + j) + 4)));
      const side = p[0] * q[0] + p[1] * q[1] + p[2] * q[2] + p[3] * q[3] < 0 ? -k : k;
      const mean = p.map((x, i) => x * (1 - k) + q[i] * side);
      const length = Math.hypot(...mean);
      turns.push(mean.map((x) => x / length));
      if (parents[j] < 0) places.push([0, 1, 2].map((i) => pelvis[3 * a + i] * (1 - k) + pelvis[3 * b + i] * k));
      else places.push(add(places[parents[j]], rotated(turns[parents[j]], minus(rest[j], rest[parents[j]]))));
    }
    return { turns, places };
  }

  reset() {
    this.turned = 0.55; this.tilt = 0.16; this.far = 3.3; this.shift = [0, 0, 0]; this.followed = null;
    if (this.motion && this.at !== undefined) this.seek(this.at);
  }

  listen() {
    const canvas = this.canvas;
    let last = null;
    canvas.addEventListener("pointerdown", (e) => { last = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
    canvas.addEventListener("pointerup", () => { last = null; });
    canvas.addEventListener("pointermove", (e) => {
      if (!last) return;
      const [dx, dy] = [e.clientX - last[0], e.clientY - last[1]];
      last = [e.clientX, e.clientY];
      if (e.shiftKey || e.buttons === 2) {
        const k = 1.2 * this.far / canvas.clientHeight;
        this.shift = add(this.shift, add(times(this.right, -dx * k), times(this.up, dy * k)));
      } else {
        this.turned -= dx * 0.008; this.tilt = Math.max(-0.2, Math.min(1.5, this.tilt + dy * 0.006));
      }
      this.seek(this.at);
    });
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("wheel", (e) => { e.preventDefault(); this.far = Math.max(0.4, Math.min(20, this.far * Math.exp(e.deltaY * 0.001))); this.seek(this.at); }, { passive: false });
    canvas.addEventListener("dblclick", () => this.reset());
    new ResizeObserver(() => this.seek(this.at)).observe(canvas);
  }

  aim(pelvis) { // the camera follows the hips over the ground, softly
    const wanted = [pelvis[0], pelvis[1], this.ground + 0.5 * Math.max(pelvis[2] - this.ground, 0.35) + 0.42];
    this.followed = this.followed && size(minus(wanted, this.followed)) < 1 ? add(times(this.followed, 0.9), times(wanted, 0.1)) : wanted;
    const target = add(this.followed, this.shift);
    const yaw = this.facing + this.turned, away = [Math.cos(yaw) * Math.cos(this.tilt), Math.sin(yaw) * Math.cos(this.tilt), Math.sin(this.tilt)];
    this.eye = add(target, times(away, this.far));
    this.right = unit(cross([0, 0, 1], away)); this.up = cross(away, this.right);
    this.lamp = unit(add(away, add(times(this.up, 0.9), times(this.right, -0.8)))); // over the visitor's left shoulder
    const [r, u, w, e] = [this.right, this.up, away, this.eye];
    const dot = (a) => -(a[0] * e[0] + a[1] * e[1] + a[2] * e[2]);
    const view = new Float32Array([r[0], u[0], w[0], 0, r[1], u[1], w[1], 0, r[2], u[2], w[2], 0, dot(r), dot(u), dot(w), 1]);
    const f = 1 / Math.tan(0.3), [near, distant] = [0.05, 60], wide = this.canvas.width / this.canvas.height;
    const narrow = Math.min(1, wide / 0.8); // in a tall picture, the body keeps its width
    return product(new Float32Array([f * narrow / wide, 0, 0, 0, 0, f * narrow, 0, 0, 0, 0, (distant + near) / (near - distant), -1, 0, 0, 2 * distant * near / (near - distant), 0]), view);
  }

  use(program, camera) {
    const gl = this.gl;
    gl.useProgram(program.made);
    gl.uniformMatrix4fv(program.at("camera"), false, camera);
    gl.uniform3fv(program.at("eye"), this.eye);
    gl.uniform3fv(program.at("lamp"), this.lamp);
  }

  drawSolid(shape, origin, axes, colour) {
    const gl = this.gl;
    gl.uniform3fv(this.solid.at("origin"), origin);
    gl.uniformMatrix3fv(this.solid.at("axes"), false, axes.flat());
    gl.uniform4fv(this.solid.at("colour"), colour);
    gl.bindVertexArray(shape.array);
    gl.drawArrays(gl.TRIANGLES, 0, shape.count);
  }

  seek(seconds) {
    this.at = seconds;
    const { gl, canvas, motion } = this;
    if (!motion || seconds === undefined) return;
    const sharp = Math.min(window.devicePixelRatio || 1, 2), [w, h] = [canvas.clientWidth * sharp, canvas.clientHeight * sharp].map(Math.round);
    if (!w || !h) return;
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const { turns, places } = this.pose(seconds * motion.fps);
    const camera = this.aim(places[0]);
    gl.viewport(0, 0, w, h);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT | gl.STENCIL_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.drawFloor(camera, places[0]);
    this.drawSkin(camera, turns, places);
    this.use(this.solid, camera);
    if (this.look === "bones") this.drawBones(places);
    this.drawSensors(camera, turns, places);
  }

  drawFloor(camera, pelvis) {
    const gl = this.gl;
    this.use(this.floor, camera);
    gl.depthMask(false);
    gl.uniform3fv(this.floor.at("middle"), [pelvis[0], pelvis[1], this.ground]);
    gl.bindVertexArray(this.square.array);
    gl.drawArrays(gl.TRIANGLES, 0, this.square.count);
    gl.depthMask(true);
  }

  drawSkin(camera, turns, places) {
    const gl = this.gl, { rest } = this.motion;
    this.use(this.skin, camera);
    gl.uniform4fv(this.skin.at("turn"), turns.flat());
    gl.uniform3fv(this.skin.at("move"), places.map((p, j) => minus(p, rotated(turns[j], rest[j]))).flat());
    gl.uniform1f(this.skin.at("ground"), this.ground);
    gl.bindVertexArray(this.skinArray);
    const draw = (flatten, colour) => {
      gl.uniform1f(this.skin.at("flatten"), flatten);
      gl.uniform4fv(this.skin.at("colour"), colour);
      gl.drawElements(gl.TRIANGLES, this.faces.length, gl.UNSIGNED_SHORT, 0);
    };
    gl.enable(gl.STENCIL_TEST); // every spot of the shadow is darkened once
    gl.stencilFunc(gl.EQUAL, 0, 0xff); gl.stencilOp(gl.KEEP, gl.KEEP, gl.INCR);
    gl.depthMask(false);
    draw(1, [0.12, 0.16, 0.22, 0.17]);
    gl.disable(gl.STENCIL_TEST);
    gl.depthMask(true);
    if (this.look === "skin") draw(0, [0.80, 0.74, 0.69, 1]);
  }

  drawBones(places) {
    this.body.parents.forEach((parent, j) => {
      this.drawSolid(this.ball, places[j], [[0.024, 0, 0], [0, 0.024, 0], [0, 0, 0.024]], [0.36, 0.44, 0.53, 1]);
      if (parent < 0) return;
      const along = minus(places[j], places[parent]), z = unit(along);
      const x = unit(cross(Math.abs(z[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0], z));
      this.drawSolid(this.rod, places[parent], [x, cross(z, x), along], [0.62, 0.69, 0.76, 1]);
    });
  }

  drawSensors(camera, turns, places) {
    const gl = this.gl;
    const frames = Object.values(this.motion.sensors).map(({ joint, offset, axes }) => {
      const turned = axes.map((axis) => rotated(turns[joint], axis));
      return { axes: turned, place: add(add(places[joint], rotated(turns[joint], offset)), times(turned[2], 0.006)) };
    });
    const drawAll = (strength) => frames.forEach(({ axes, place }) => {
      this.drawSolid(this.case, place, axes, [0.13, 0.15, 0.18, strength]);
      axes.forEach((axis, i) => this.drawSolid(this.arrow, place, [axes[(i + 1) % 3], axes[(i + 2) % 3], axis], [...AXES[i], strength]));
    });
    gl.depthFunc(gl.GREATER); gl.depthMask(false); // faint where the body hides them
    drawAll(0.22);
    gl.depthFunc(gl.LESS); gl.depthMask(true);
    drawAll(1);
    frames.forEach(({ place }, i) => {
      const p = [...place, 1], clip = [0, 1, 3].map((r) => p.reduce((sum, x, c) => sum + camera[4 * c + r] * x, 0));
      const [x, y] = [(0.5 + clip[0] / clip[2] / 2) * this.canvas.clientWidth, (0.5 - clip[1] / clip[2] / 2) * this.canvas.clientHeight];
      this.tags[i].style.transform = `translate(calc(${x.toFixed(1)}px - 50%), ${(y + 22).toFixed(1)}px)`;
      this.tags[i].hidden = clip[2] <= 0;
    });
  }
}
