"""The page of `m3n view`: a moving body, its sensors and their samples, in one HTML file without dependencies.

The same page is served on loopback, where it asks for one clip at a time, and saved, with the data of its clips inside. Its parts
are panels, each an object with `show(clip)` and `seek(seconds)`: the scene (WebGL), the film, the labels and the traces (canvas);
`page.js` keeps the clock and moves them together. Another view of a clip is another panel and another key of the clip's data.
"""
