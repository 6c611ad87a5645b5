"""Labels and subtitles say what of a video is wanted; what cannot be meant is refused by file and line."""

from __future__ import annotations

import pytest

from m3n.errors import InputError
from m3n.video.spans import Span, captioned, inside, labelled

VIDEOS = ("anna/a.mp4", "anna/b.mp4", "bela/b.mp4")


def table(tmp_path, text, name="labels.csv"):
    file = tmp_path / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(file)


def test_rows_are_spans_of_the_video_they_name(tmp_path):
    rows = "file,start_s,stop_s,label,text,subject\na.mp4,1:05.5,70,wave,,\nanna/a,0,2,,she stands still,anna\n\n"
    rows += "bela/b.mp4,,,bow,,\n"
    for text in (rows, rows.replace(",", ";"), "\ufeff" + rows.replace("\n", "\r\n")):
        assert labelled(table(tmp_path, text), VIDEOS) == {
            "anna/a.mp4": [
                Span("labels.csv, line 3", 0.0, 2.0, None, "she stands still", "anna"),
                Span("labels.csv, line 2", 65.5, 70.0, "wave"),
            ],
            "bela/b.mp4": [Span("labels.csv, line 5", 0.0, None, "bow")],
        }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,label\nc.mp4,wave\n", r"labels.csv, line 2: there is no video c.mp4, did you mean 'bela/b.mp4'"),
        ("file,label\nb.mp4,wave\n", r"line 2: file=b.mp4 may be anna/b.mp4 or bela/b.mp4; give the folder too"),
        ("file,label\n,wave\n", r"line 2: file is empty"),
        ("file,start_s,stop_s,label\na.mp4,0,2,wave\na.mp4,1.9,3,bow\n", r"line 3: overlaps line 2, which is of anna/a.mp4 too"),
        ("file,start_s,stop_s,label\na.mp4,3,,wave\na.mp4,5,6,bow\n", r"line 3: overlaps line 2"),
        ("file,start_s,stop_s,label\na.mp4,2,2,wave\n", r"line 2: stop_s=2 is not after start_s=2"),
        ("file,start_s,stop_s,label\na.mp4,soon,2,wave\n", r"line 2: start_s=soon is no time; expected seconds"),
        ("file,start_s,label\na.mp4,-1,wave\n", r"line 2: start_s=-1 is no time"),
        ("file;start_s;label\na.mp4;1,5;wave\n", r"line 2: start_s=1,5 is no time"),
        ("file,start_s,label\na.mp4,nan,wave\n", r"line 2: start_s=nan is no time"),
        ("file,lable\na.mp4,wave\n", r"labels.csv: unknown column 'lable', did you mean 'label'\?"),
        ("file,label,label\na.mp4,a,b\n", r"labels.csv: has the column label twice"),
        ("file,subject\na.mp4,anna\n", r"labels.csv: expected the columns file, start_s, .* of which file and label or text"),
        ("a.mp4,wave\n", r"labels.csv: unknown column 'a.mp4'"),
        ("", r"labels.csv: expected the columns"),
        ("file,label\n", r"labels.csv: has no row below its line of names"),
        ("file,label,text\na.mp4,,\n", r"line 2: has neither label nor text"),
        ("file,text\na.mp4,she waves, then bows\n", r"line 2: has 3 cells, expected 2; is there text to be quoted\?"),
        ('file,text\na.mp4,"open\n', r"labels.csv: cannot be read as CSV"),
        ("file,text\na.mp4,\u00fcbt\n".encode("latin-1"), r"labels.csv: byte 16 is no UTF-8 text; save it as UTF-8"),
        (b"PK\x03\x04\x00\xff", r"labels.csv: byte 5 is no UTF-8 text"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_meant_are_refused_by_their_line(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        labelled(table(tmp_path, text), VIDEOS)


def test_a_missing_file_of_labels_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.csv cannot be read: No such file"):
        labelled(str(tmp_path / "none.csv"), VIDEOS)


def test_captions_are_spans_with_their_words(tmp_path):
    srt = "1\r\n00:00:01,000 --> 00:00:03,500\r\n<i>She waves</i>\r\n{\\an8}at us &amp; bows\r\n\r\n"
    srt += "2\r\n01:00:05,25 --> 01:00:06,000\r\n \r\n"
    found, early = captioned(table(tmp_path, srt + "\r\n3\r\n01:02:03,004 --> 01:02:04,000\r\nend\r\n", "a.srt"))
    assert [(s.start_s, s.stop_s, s.text) for s in found] == [(1.0, 3.5, "She waves at us & bows"), (3723.004, 3724.0, "end")]
    assert early == 0
    vtt = "WEBVTT - film\n\nNOTE made\nby hand\n\nSTYLE\n::cue{}\n\nfirst\n00:01.000 --> 00:04.000 align:left\n<v Anna>Up\n\n"
    vtt += "00:03.000 --> 00:05.000\nDown\n"
    found, early = captioned(table(tmp_path, vtt, "a.vtt"))
    assert [(s.start_s, s.stop_s, s.text) for s in found] == [(1.0, 3.0, "Up"), (3.0, 5.0, "Down")]
    assert early == 1


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("1\n00:00:01,000 -> 00:00:02,000\nwaves\n", "a.srt", r"a.srt, line 1: expected a caption's times.*, found 1"),
        ("1\n00:00:01,000 --> 00:0x:02,000\nwaves\n", "a.srt", r"a.srt, line 2: 00:00:01,000 --> 00:0x:02,000 are no times"),
        ("1\n00:00:02,000 --> 00:00:02,000\nwaves\n", "a.srt", r"a.srt, line 2: the caption ends before it begins"),
        ("WEBVTT\n\n", "a.vtt", r"a.vtt: holds no caption; expected lines like"),
        ("file,label\n", "a.csv", r"a.csv: expected a file ending in .srt or .vtt"),
    ],
)  # fmt: skip
def test_subtitles_that_cannot_be_meant_are_refused_by_their_line(tmp_path, text, name, said):
    with pytest.raises(InputError, match=said):
        captioned(table(tmp_path, text, name))


def test_a_span_must_lie_in_its_video():
    span = Span("labels.csv, line 7", 2.0, 5.0, "wave")
    assert inside(span, 10.0, "a.mp4") == inside(span, None, "a.mp4") == span
    assert inside(span, 4.8, "a.mp4").stop_s is None  # to the end: the row was rounded
    for length, far in ((4.0, 5), (1.5, 2)):
        with pytest.raises(InputError, match=rf"labels.csv, line 7: {far} s is outside a.mp4, which ends at {length:.2f} s"):
            inside(span, length, "a.mp4")
