"""Files that servers and git leave in place of what was wanted."""


def stand_in(head: bytes) -> str | None:
    """What a file that begins with `head` (some hundred bytes) stands in for another as, with what to do about it."""
    if head.startswith(b"version https://git-lfs.github.com/"):
        return "a Git LFS pointer in place of the file: fetch it with `git lfs pull`"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<meta", b"<title", b"<script", b"<!--")):
        return None
    if b"quota" in text:
        return "a web page that says that a quota is used up, in place of the file: download it again later"
    return "a web page, as servers send in place of a file: download it again"
