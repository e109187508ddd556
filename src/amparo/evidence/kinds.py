"""What kind of file this is, by its first bytes; its name decides only between kinds that begin alike.

Invariant: pure, total and bounded: any bytes give an IANA media type, nothing is parsed or unpacked, no more than the first
``HEAD`` bytes are looked at. A name never turns one kind into another: a program stays one, whatever it is called.

Sources: the IANA media-type registry; ISO/IEC 14496-12 (ftyp), 29500-2 (OPC), 26300-3 (ODF packages), APPNOTE 6.3 (zip),
RFC 9559 (Matroska), 5322 (mail), 4155 (mbox), ISO 28500 (WARC), WACZ 1.1.
"""

import re
from typing import Final

HEAD: Final = 4096
UNKNOWN: Final = "application/octet-stream"
PLAIN: Final = "text/plain"

_STARTS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"), (b"MM\0*", "image/tiff"), (b"II+\0", "image/tiff"), (b"MM\0+", "image/tiff"),
    (b"\0\0\0\x0cjP  ", "image/jp2"), (b"\xff\x4f\xff\x51", "image/j2c"), (b"\0\0\0\x0cJXL ", "image/jxl"),
    (b"\xff\x0a", "image/jxl"), (b"8BPS", "image/vnd.adobe.photoshop"), (b"\0\0\1\0", "image/vnd.microsoft.icon"),
    (b"AT&TFORM", "image/vnd.djvu"), (b"\xd7\xcd\xc6\x9a", "image/wmf"), (b"\x01\0\0\0\x58\0\0\0", "image/emf"),
    (b"FUJIFILMCCD-RAW", "image/x-fuji-raf"), (b"ID3", "audio/mpeg"), (b"fLaC", "audio/flac"), (b"#!AMR", "audio/amr"),
    (b"caff\0\1", "audio/x-caf"), (b"MThd", "audio/midi"), (b".snd", "audio/basic"), (b"FLV\1", "video/x-flv"),
    (b"\0\0\1\xba", "video/mpeg"), (b"\0\0\1\xb3", "video/mpeg"),
    (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel", "video/x-ms-asf"), (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"), (b"\x1f\x8b\x08", "application/gzip"), (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"), (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\x04\x22\x4d\x18", "application/x-lz4"), (b"\x1f\x9d", "application/x-compress"),
    (b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"), (b"070701", "application/x-cpio"),
    (b"070702", "application/x-cpio"), (b"070707", "application/x-cpio"), (b"\xc7\x71", "application/x-cpio"),
    (b"!<arch>\n", "application/x-archive"), (b"{\\rtf", "application/rtf"), (b"%!PS", "application/postscript"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"), (b"!BDN", "application/vnd.ms-outlook-pst"),
    (b"WARC/", "application/warc"), (b"\0OpenTimestamps\0\0Proof\0", "application/vnd.opentimestamps.ots"),
    (b"age-encryption.org/v1", "application/age"), (b"-----BEGIN AGE ENCRYPTED FILE", "application/age"),
    (b"-----BEGIN PGP SIGNATURE", "application/pgp-signature"), (b"-----BEGIN PGP PUBLIC KEY", "application/pgp-keys"),
    (b"-----BEGIN PGP MESSAGE", "application/pgp-encrypted"),
    (b"-----BEGIN CERTIFICATE-----", "application/pem-certificate-chain"), (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/vnd.microsoft.portable-executable"), (b"\xca\xfe\xba\xbe", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"), (b"dex\n03", "application/vnd.android.dex"),
    (b"bplist00", "application/x-bplist"), (b"wOFF", "font/woff"), (b"wOF2", "font/woff2"), (b"OTTO", "font/otf"),
    (b"\0\1\0\0\0", "font/ttf"),
)  # fmt: skip
_BY_BYTE: Final = {first: [row for row in _STARTS if row[0][0] == first] for first in {start[0] for start, _ in _STARTS}}
_BRANDS: Final = {
    b"heic": "image/heic", b"heix": "image/heic", b"heim": "image/heic", b"heis": "image/heic", b"hevc": "image/heic-sequence",
    b"hevx": "image/heic-sequence", b"mif1": "image/heif", b"msf1": "image/heif-sequence", b"avif": "image/avif",
    b"avis": "image/avif", b"crx ": "image/x-canon-cr3", b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4",
    b"F4A ": "audio/mp4", b"jp2 ": "image/jp2",
}  # fmt: skip
_OOXML: Final = "application/vnd.openxmlformats-officedocument."
_OFFICE: Final = {
    b"word/": _OOXML + "wordprocessingml.document", b"xl/": _OOXML + "spreadsheetml.sheet",
    b"ppt/": _OOXML + "presentationml.presentation",
}  # fmt: skip
_OFFICE_NAMES: Final = {
    "docx": b"word/", "docm": b"word/", "dotx": b"word/", "xlsx": b"xl/", "xlsm": b"xl/", "pptx": b"ppt/", "pptm": b"ppt/",
    "ppsx": b"ppt/",
}  # fmt: skip
_OLE: Final = {
    "msg": "application/vnd.ms-outlook", "doc": "application/msword", "dot": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint", "pps": "application/vnd.ms-powerpoint",
}  # fmt: skip
_TEXT_NAMES: Final = {
    "csv": "text/csv", "tsv": "text/tab-separated-values", "md": "text/markdown", "css": "text/css", "js": "text/javascript",
    "yaml": "application/yaml", "yml": "application/yaml", "htm": "text/html", "html": "text/html", "json": "application/json",
    "jsonl": "application/jsonl", "eml": "message/rfc822", "srt": "application/x-subrip", "log": PLAIN, "txt": PLAIN,
}  # fmt: skip
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_BINARY: Final = re.compile(rb"[\x00-\x06\x0e-\x19\x1c-\x1f\x7f]")
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_ZIP_ENTRY: Final = re.compile(rb"PK\x03\x04.{22}(.)(.)(.)(.)", re.DOTALL)
_ODF: Final = re.compile(rb"application/(?:vnd\.oasis\.opendocument\.[a-z-]{1,30}|epub\+zip|vnd\.sun\.xml\.[a-z.]{1,30})")
_MBOX: Final = re.compile(rb"From \S{1,200}.{0,60}\d\d:\d\d[^\n]{0,80}\r?\n[!-9;-~]{1,80}:")
_FIELD: Final = re.compile(rb"([A-Za-z][A-Za-z0-9-]{0,60}):[ \t]?[^\n]{0,2000}\n")
_MAIL: Final = frozenset(
    b"from to cc date subject received return-path message-id mime-version delivered-to dkim-signature reply-to sender "
    b"authentication-results content-type received-spf x-mozilla-status".split()
)
_TAG: Final = re.compile(r"<(?:!doctype\s+)?([a-z][\w:.-]{0,40})", re.IGNORECASE | re.ASCII)
_ROOTS: Final = {
    "html": "text/html", "head": "text/html", "body": "text/html", "svg": "image/svg+xml", "svg:svg": "image/svg+xml",
    "tt": "application/ttml+xml", "kml": "application/vnd.google-earth.kml+xml", "gpx": "application/gpx+xml",
    "rss": "application/rss+xml", "feed": "application/atom+xml",
}  # fmt: skip
_TRANSCRIPTS: Final = (
    ("segments",), ("transcription",), ("conf", "word"), ("alternatives", "transcript"), ("results", "transcripts"),
    ("recognizedPhrases",), ("combinedRecognizedPhrases",), ("RecognitionStatus",), ("NBest",),
)  # fmt: skip
"""Names that the JSON of a speech recogniser has among its first, and little else has (Whisper, Vosk, Google, Amazon, Azure);
its reader looks into other JSON too."""
_CUE: Final = re.compile(r"\s{0,20}\d{1,9}[ \t]{0,9}\r?\n\d{1,4}:\d\d:\d\d[,.]\d{1,3}\s{0,9}-->")
_DATE: Final = r"\d{1,4}[./-] ?\d{1,2}[./-] ?\d{1,4}"
_WHATSAPP: Final = re.compile(rf"(?:\[{_DATE}[^\]\n]{{3,24}}\] ?|{_DATE}[^\n]{{3,24}} [-–—] )[^\n]{{1,200}}")
_DIRECTIONS: Final = dict.fromkeys(map(ord, "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
_SIGNAL: Final = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?\] ?[^:\n]{1,200}:", re.ASCII)


_NOTHING_SAID: Final = ("application/octet-stream", "binary/octet-stream", "application/x-download", "application/unknown",
                        "application/x-unknown", "application/force-download")  # fmt: skip


def media_type(head: bytes, name: str = "") -> str:
    """The media type of a file that begins with ``head`` and is called ``name``; UNKNOWN where no rule fits."""
    head = head[:HEAD]
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if not head:
        return "application/x-empty"
    return _binary(head, suffix) or _text(head, suffix) or UNKNOWN


def named(declared: str) -> str:
    """A media type somebody declared, or "" where it says nothing and the bytes must tell (RFC 2046, 4.5.1)."""
    return "" if declared.partition(";")[0].strip().lower() in _NOTHING_SAID else declared


def _binary(head: bytes, suffix: str) -> str:
    if head[:4] in (b"PK\3\4", b"PK\5\6", b"PK\7\x08"):
        return _zip(head, suffix)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        stream = "__substg1.0_".encode("utf-16-le")
        return "application/vnd.ms-outlook" if stream in head else _OLE.get(suffix, "application/x-ole-storage")
    for start, kind in _BY_BYTE.get(head[0], ()):
        if head.startswith(start):
            return kind
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    return _media(head) or _elsewhere(head)


def _media(head: bytes) -> str:
    """Kinds of sound, film and picture that a box, a chunk or a sync word tells."""
    if head[4:8] == b"ftyp":
        return _boxed(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return "video/quicktime"
    if head.startswith((b"RIFF", b"RF64")):
        forms = {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}
        return forms.get(head[8:12], UNKNOWN)
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if head.startswith(b"OggS"):
        return "video/ogg" if b"theora" in head[:512] else "audio/ogg"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[0] == 0xFF and len(head) > 2 and head[1] & 0xE0 == 0xE0:
        if head[1] & 0xF6 == 0xF0:
            return "audio/aac"
        if head[1] & 0x18 != 0x08 and head[1] & 0x06 and head[2] & 0xF0 not in (0xF0, 0) and head[2] & 0x0C != 0x0C:
            return "audio/mpeg"
    for start, step in ((0, 188), (4, 192)):
        if head[start : start + 3 * step + 1 : step] == b"GGGG":  # four sync bytes, 0x47 each
            return "video/mp2t"
    if head.startswith(b"BM") and head[14:15] in (b"\x0c", b"\x28", b"\x34", b"\x38", b"\x40", b"\x6c", b"\x7c"):
        return "image/bmp"
    return ""


def _boxed(head: bytes) -> str:
    size = min(int.from_bytes(head[:4], "big"), 256)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size, 4))]
    if brands[0] in (b"mif1", b"msf1"):  # a container of pictures: the second brand says how they are coded
        for brand in brands[1:]:
            if brand in (b"heic", b"heix", b"avif"):
                return _BRANDS[brand]
    if brands[0] in _BRANDS:
        return _BRANDS[brands[0]]
    return "video/3gpp" if brands[0].startswith((b"3gp", b"3g2")) else "video/mp4"


def _elsewhere(head: bytes) -> str:
    """Kinds whose mark does not stand at the start."""
    if head[257:262] == b"ustar":
        return "application/x-tar"
    if head[2:5] == b"-lh" and head[6:7] == b"-":
        return "application/x-lzh-compressed"
    if len(head) >= 512 and head[510:512] == b"\x55\xaa" and head[:1] in (b"\xeb", b"\xe9", b"\x33", b"\xfa"):
        return "application/x-raw-disk-image"
    return ""


def _zip(head: bytes, suffix: str) -> str:
    names = [_entry_name(head, match) for match in _ZIP_ENTRY.finditer(head)]
    names = [name for name in names if name]
    first = names[0] if names else b""
    if first == b"mimetype":
        match = _ODF.match(head, 38)
        return match[0].decode() if match else "application/zip"
    if first in (b"[Content_Types].xml", b"_rels/.rels") or first.startswith((b"_rels/", b"docProps/", *_OFFICE)):
        for folder, kind in _OFFICE.items():
            if any(name.startswith(folder) for name in names):
                return kind
        return _OFFICE.get(_OFFICE_NAMES.get(suffix, b""), "application/zip")
    if first in (b"META-INF/", b"META-INF/MANIFEST.MF", b"AndroidManifest.xml"):
        return "application/vnd.android.package-archive" if suffix == "apk" else "application/java-archive"
    if any(
        name in (b"datapackage.json", b"datapackage-digest.json") or name.endswith((b".warc.gz", b".warc")) for name in names
    ):
        return "application/wacz"
    return _zipped_chat(names) or "application/zip"


def _entry_name(head: bytes, match: re.Match[bytes]) -> bytes:
    length = match[1][0] | match[2][0] << 8
    return head[match.end() : match.end() + length]


def _zipped_chat(names: list[bytes]) -> str:
    for name in names:
        last = name.rpartition(b"/")[2]
        if last == b"_chat.txt" or (last.endswith(b".txt") and b"WhatsApp" in last):
            return "application/x-whatsapp-chat+zip"
        if last in (b"result.json", b"messages.html"):
            return "application/x-telegram-chat+zip"
        if last in (b"main.jsonl", b"chat.md"):
            return "application/x-signal-chat+zip"
    return ""


# -- text -------------------------------------------------------------------------------------------------------------------


def encoding(head: bytes) -> str:
    """The encoding of a text by its mark or its form: "utf-8", "utf-16-le", "utf-16-be", "8-bit"; "" for what is no text."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if _BINARY.search(head):
        wide = (head.count(0) + head.count(4) + head.count(6)) * 10 > len(head) * 2 and _wide(head)
        return wide or ""
    for cut in range(4):  # the last letter may have been cut
        try:
            head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return "utf-8"
    return "8-bit"


def _wide(head: bytes) -> str:
    """UTF-16 without a mark, by the bytes its letters have in common."""
    even, odd = head[0::2], head[1::2]
    for high, low, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        latin = high.count(0) * 10 > len(high) * 4 and low.count(0) * 10 < len(low)
        other = len(high) > 16 and (high.count(0) + high.count(4) + high.count(6)) * 10 > len(high) * 9  # Cyrillic, Arabic
        if len(head) >= 4 and (latin or other) and not _CONTROLS.search(head[: len(head) & ~1].decode(name, "replace")):
            return name
    return ""


def _text(head: bytes, suffix: str) -> str:
    coding = encoding(head)
    if not coding:
        return ""
    text = head.decode("latin-1" if coding == "8-bit" else coding, "ignore").lstrip("\ufeff")
    start = text.lstrip()
    if start.startswith("<") and (kind := _marked(start, suffix)):
        return kind
    if start.startswith(("{", "[")) and (kind := _json(start, suffix)):
        return kind
    if _MBOX.match(head):
        return "application/mbox"
    if _is_mail(start.encode("latin-1", "replace")):
        return "message/rfc822"
    for first, kind in (("WEBVTT", "text/vtt"), ("BEGIN:VCARD", "text/vcard"), ("BEGIN:VCALENDAR", "text/calendar")):
        if start.startswith(first):
            return kind
    if _CUE.match(text):
        return "application/x-subrip"
    if _SIGNAL.match(start):
        return "text/x-signal-chat+markdown"
    plain = text.translate(_DIRECTIONS)  # marks of direction stand anywhere in dates of right-to-left languages
    if sum(1 for line in plain.splitlines()[:20] if _WHATSAPP.match(line)) >= 2:
        return "text/x-whatsapp-chat"
    return _TEXT_NAMES.get(suffix, PLAIN)


def _marked(start: str, suffix: str) -> str:
    xml = start.startswith("<?xml")
    for match in _TAG.finditer(start):
        root = match[1].lower()
        if root in _ROOTS:
            chat = root in ("html", "head") and 'class="page_wrap' in start and "Exported Data" in start
            return "text/x-telegram-chat+html" if chat else _ROOTS[root]
        if not start.startswith(("<!--", "<?")):
            break
    return "application/xml" if xml else "text/html" if suffix in ("html", "htm") or _TAG.match(start) else ""


def _json(start: str, suffix: str) -> str:
    if (
        not re.match(r"[\[{]\s{0,1000}(?:[\"\[{\]}\-\d]|true|false|null)", start)
        or _SIGNAL.match(start)
        or _WHATSAPP.match(start.translate(_DIRECTIONS))
    ):
        return ""
    if any(f'"{key}"' in start for key in ("backupTimeMs", "chatItem", "sent_at")):
        return "application/x-signal-chat+jsonl"
    if re.search(r'"(?:messages|chats|personal_information)"\s{0,99}:', start) and ('"type"' in start or '"about"' in start):
        return "application/x-telegram-chat+json"
    if any(all(f'"{key}"' in start for key in keys) for keys in _TRANSCRIPTS):
        return "application/x-transcript+json"
    if start.startswith("[") and not re.match(r"\[\s{0,1000}[\[{\"\]\d-]", start):
        return ""
    return "application/jsonl" if suffix == "jsonl" else "application/json"


def _is_mail(head: bytes) -> bool:
    """Three header fields in a row, two of which letters have (RFC 5322)."""
    at, known, fields = 0, set(), 0
    while fields < 40 and (match := _FIELD.match(head, at)):
        at, fields = match.end(), fields + 1
        while head[at : at + 1] in (b" ", b"\t"):  # folded
            end = head.find(b"\n", at)
            if end < 0:
                break
            at = end + 1
        known |= {match[1].lower()} & _MAIL
    return fields >= 3 and len(known) >= 2
