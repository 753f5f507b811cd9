"""What does correction spoil in names, code, addresses and correct prose, and is its stated confidence right?

Usage: python benchmarks/spelling_clean.py RUN [--prose FILE...] [--names LIST] [--words N] [--skip SHARE]
                                           [--output JSON]

    pip install 'charloom[text]'

Everything uses the defaults of `charloom correct RUN`, without an extra list.

prose        N words of each FILE, starting at SHARE of it; changes per 1,000 words; `--prose own` is the run's own
             held-out text.
names        300 names of LIST (each at the end of a line) replace names of the first FILE: how many are changed.
lines        300 lines of each kind, each by itself, with a slip in every third word: Python and indented blocks of it
             (from the standard library), shell, `key=value`, addresses, paths. How many are changed.
calibration  slips by `spelling_text.py` in the same prose: the share of right changes, by stated probability.
"""

import argparse
import io
import itertools
import json
import random
import re
import sysconfig
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from charloom.correct import word_lists
from charloom.correct.corrector import Corrector
from charloom.correct.lexicon import plain
from charloom.correct.spans import begins_sentence, spans
from charloom.generation.writer import Writer
from charloom.training.runs import Run
from charloom.training.texts import same_text
from machine import title
from spelling_text import corrupt, slip

LIBRARY = Path(sysconfig.get_path("stdlib"))
NAMES, LINES = 300, 300
BINS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
SHELL = r"""git commit -m "first version"
git push origin main
cd build && cmake ..
python -m pip install requests
ls -la documents
tar xzf archive.tar.gz
grep -rn pattern source | sort | uniq -c
export EDITOR=nano
sudo apt-get install vim
docker run -it ubuntu bash
npm run build -- --watch
ssh admin@server.example.com
find . -name report.txt -delete
chmod +x script.sh
curl -O https://example.com/file
for name in *.txt; do echo $name; done
kubectl get pods --namespace production
$ make install prefix=/opt/local
cat access.log | cut -d " " -f1 | sort
systemctl restart nginx
if [ -f settings.conf ]; then source settings.conf; fi
pytest tests/test_reader.py --verbose
mkdir -p results/figures
rsync -av folder/ backup/
docker-compose up --detach
conda create --name science
$ echo hello world
pip install numpy pandas""".splitlines()


def passage(text: str, skip: float, words: int) -> str:
    """A number of words of a text, starting at a share of it."""
    found = list(spans(text))
    found = found[int(skip * len(found)) :][:words]
    return text[found[0].start : found[-1].end]


def with_names(text: str, names: list[str], draw: random.Random) -> tuple[str, set[int]]:
    """The text with its names replaced, and their places: names are always capitalised, even within sentences."""
    small, within = set[str](), Counter[str]()
    for span in spans(text):
        if span.word[0].islower():
            small.add(plain(span.word))
        elif len(span.word) > 2 and span.word[1:].islower() and not begins_sentence(text, span.start):
            within[span.word] += 1
    parts, place, length, places = list[str](), 0, 0, set[int]()
    for span in spans(text):
        if span.word in within and plain(span.word) not in small and len(places) < NAMES:
            parts += text[place : span.start], draw.choice(names)
            places.add(length + span.start - place)
            length, place = length + span.start - place + len(parts[-1]), span.end
    return "".join(parts), places


def misspelt(line: str, draw: random.Random) -> str:
    """A line in which every third word of four letters or more has a slip."""
    return re.sub(r"[A-Za-z]{4,}", lambda found: slip(found[0], draw) if draw.random() < 1 / 3 else found[0], line)


def python_lines() -> Iterator[str]:
    """Lines of the standard library that are only code: no comment, and no part of a string."""
    for path in sorted(LIBRARY.glob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        texts = set[int]()
        try:
            for token in tokenize.generate_tokens(io.StringIO(source).readline):
                if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.count(" ") > 2):
                    texts.update(range(token.start[0], token.end[0] + 1))
        except (tokenize.TokenError, SyntaxError):
            continue
        for number, line in enumerate(source.split("\n"), 1):
            if number not in texts and re.search(r"[A-Za-z]{4}", line):
                yield line


def kinds_of_lines(draw: random.Random) -> dict[str, list[str]]:
    """Lines and blocks that are not prose, still without slips."""
    code = list(python_lines())
    settings = [f"{key}={value}" for key, value in sysconfig.get_config_vars().items() if len(str(value)) < 80]
    source = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in sorted(LIBRARY.glob("*.py")))
    paths = [str(path) for path in sorted(LIBRARY.rglob("*.py"))]
    starts = [draw.randrange(len(code) - 6) for _ in range(LINES)]
    blocks = ["\n".join(f"    {line}" for line in code[at : at + 5]) for at in starts]
    kinds = {
        "Python": code,
        "indented blocks": blocks,
        "shell": SHELL,
        "key=value": settings,
        "addresses": sorted(set(re.findall(r"https?://[\w./?=#&-]+", source))),
        "paths": paths,
    }
    return {kind: [draw.choice(lines) for _ in range(LINES)] for kind, lines in kinds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--prose", nargs="*", default=["own"])
    parser.add_argument("--names", type=Path)
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--skip", type=float, default=0.3)
    parser.add_argument("--no-lines", action="store_true")
    parser.add_argument("--no-calibration", action="store_true")
    parser.add_argument(
        "--no-list", action="store_true", help="only the words of the training text, as without symspellpy"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    run = Run(options.run)
    corpus = same_text(run, run.config())
    if options.no_list:
        word_lists.ENGLISH = "absent"
    folders = () if options.no_list else word_lists.FOLDERS
    corrector = Corrector(Writer.load(options.run), word_lists.known_words(corpus.train.pieces(), folders=folders))
    draw = random.Random(options.seed)
    texts = dict[str, str]()
    for name in options.prose:
        text = str(corpus.validation) if name == "own" else Path(name).read_text(encoding="utf-8-sig")
        texts[Path(name).name] = passage(
            text.replace("\r\n", "\n"), 0.0 if name == "own" else options.skip, options.words
        )
    told: dict[str, object] = {"machine": title(), "run": options.run.name, "list": corrector.lexicon.has_list}
    print(f"{options.run.name}, {'with' if corrector.lexicon.has_list else 'without'} a list; {title()}")

    rows = dict[str, object]()
    print("| clean prose | words | changed | per 1,000 | which |\n|---|---|---|---|---|")
    for name, text in texts.items():
        found, words = corrector.correct(text)[1], len(list(spans(text)))
        shown = ", ".join(f"{each.before}>{each.after} {each.after_probability:.2f}" for each in found[:12])
        print(f"| {name} | {words:,} | {len(found)} | {1000 * len(found) / words:.2f} | {shown} |", flush=True)
        rows[name] = {"words": words, "changed": len(found), "which": [(each.before, each.after) for each in found]}
    told["prose"] = rows

    if options.names:
        lines = options.names.read_text(encoding="utf-8").splitlines()
        names = [line.split("\t")[-1] for line in lines if re.fullmatch(r"[^\W\d_]{3,}", line.split("\t")[-1])]
        text, places = with_names(next(iter(texts.values())), names, draw)
        found = corrector.correct(text)[1]
        spoilt = [f"{each.before}>{each.after}" for each in found if each.start in places]
        print(
            f"names: {len(spoilt)} of {len(places)} changed, {len(found) - len(spoilt)} other words: "
            f"{', '.join(spoilt)}"
        )
        told["names"] = {"names": len(places), "changed": len(spoilt), "others": len(found) - len(spoilt)}

    for kind, lines in {}.items() if options.no_lines else kinds_of_lines(draw).items():
        slips = (misspelt(each, draw) for each in lines)
        texts_of = [f"Look here:\n\n{each}\n\nThat is all." if kind == "indented blocks" else each for each in slips]
        wrong = [line for line in texts_of if corrector.correct(line)[1]]
        print(
            f"{kind}: {len(wrong)} of {len(lines)} changed {[corrector.correct(each)[0] for each in wrong[:3]]}",
            flush=True,
        )
        told[kind] = {"lines": len(lines), "changed": len(wrong)}

    if not options.no_calibration:
        counts = {low: [0, 0.0, 0.0] for low in BINS[:-1]}
        for text in texts.values():
            corrupted = corrupt(text, {}, draw)
            for each in corrector.correct(corrupted.text)[1]:
                row = counts[max(low for low in counts if low <= max(each.after_probability, BINS[0]))]
                row[0], row[1] = row[0] + 1, row[1] + each.after_probability
                row[2] += corrupted.meant.get(each.start) == each.after
        print("| stated | changes | mean | right |\n|---|---|---|---|")
        for low, high in itertools.pairwise(BINS):
            number, stated, right = counts[low]
            if number:
                print(f"| {low} to {high} | {number} | {stated / number:.3f} | {right / number:.3f} |")
        told["calibration"] = {str(low): row for low, row in counts.items()}
    if options.output:
        options.output.write_text(json.dumps(told, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
