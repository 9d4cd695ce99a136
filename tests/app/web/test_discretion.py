"""What the app's answers do not tell of the machine."""

import json

import httpx
import pytest

from app.web.discretion import SHOWN, Discretion
from tests.app.asking import WEB, ask, finished


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream; charset=utf-8", "image/png"])
def test_texts_name_another_folder_there_and_back(kind, streamed, tmp_path):
    got = []

    async def told(scope, receive, send):
        body = (await receive())["body"].decode()
        got[:] = [scope["path"], body]
        said = [f'{{"path": "{tmp_path}/a", "other": "{tmp_path}-b"', ', "is": "<a.b.Box object at 0x7f00>"}']
        chunks = said if streamed else ["".join(said)]
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len("".join(said))).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in chunks:
            more = chunk is not chunks[-1]
            await send({"type": "http.response.body", "body": chunk.encode(), "more_body": more})

    async def visit():
        transport = httpx.ASGITransport(app=Discretion(told, tmp_path))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as visitor:
            return await visitor.post(f"/file={SHOWN}/a", json={"path": f"{SHOWN}/a", "other": f"{SHOWN}-b"})

    answer = finished(visit())
    said = json.loads(answer.text)
    plain = kind == "image/png"
    assert said["path"] == (f"{tmp_path}/a" if plain else f"{SHOWN}/a")
    assert said["other"] == f"{tmp_path}-b"
    assert said["is"] == ("<a.b.Box object at 0x7f00>" if plain else "Box")
    assert int(answer.headers.get("content-length", len(answer.content))) == len(answer.content) or streamed
    assert got[0] == f"/file={tmp_path}/a"
    assert json.loads(got[1]) == {"path": f"{tmp_path}/a", "other": f"{SHOWN}-b"}


def test_no_answer_names_the_folder_of_files_and_the_files_are_there(app):
    arguments = ["0", 0.7, 18, "const", 0, None, 4, 9, 1, "own", "png", "style"]
    done, said = ask(app.url, "generate", arguments)
    assert done
    assert str(app.files) not in said
    image = json.loads(said.splitlines()[1])[0][0]["image"]
    assert WEB.get(image["url"]).headers["content-type"] == "image/png"
    assert WEB.head(image["url"]).status_code == 200
    uploaded = WEB.post(f"{app.url}/gradio_api/upload", files={"files": ("x.png", b"abc")})
    assert str(app.files) not in uploaded.text
    file = {"path": uploaded.json()[0], "meta": {"_type": "gradio.FileData"}}
    for wrong in ([], [file] * len(arguments)):
        done, said = ask(app.url, "generate", wrong)
        assert not done
        assert str(app.files) not in said
        assert " at 0x" not in said
