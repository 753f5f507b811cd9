"""charloom export"""

from pathlib import Path


def export(
    run: str,
    /,
    *,
    web: Path | None = None,
    onnx: Path | None = None,
    force: bool = False,
    json: bool = False,
) -> None:
    """Write a model for other programs: as a page that runs it in a browser, or as an ONNX file.

    The page is a folder for any static host: the network runs in the reader's browser, and the same seed writes the
    same text as here. The ONNX file holds one step: symbols and a state in, logits and the next state out.

    Parameters
    ----------
    run
        A run directory, a model folder, a ready-made model or an address OWNER/NAME; of a language model.
    web
        Folder for the page: a new or empty one, or an earlier export, which is replaced.
    onnx
        Name of the ONNX file.
    force
        Overwrite an existing ONNX file.
    json
        Print one JSON value.
    """
    from charloom.errors import SettingsError

    if (web is None) == (onnx is None):
        raise SettingsError("name one thing to write: --web DIR or --onnx FILE")
    if web is not None:
        _web(run, web, json=json)
    elif onnx is not None:
        _onnx(run, onnx, force=force, json=json)


def _web(run: str, target: Path, *, json: bool) -> None:
    from charloom.cli.output import print_json
    from charloom.export.web_page import export_web
    from charloom.models.model_folder import model_folder

    written = export_web(model_folder(run), target, _name(run))
    size = sum(written.values())
    if json:
        print_json({"output": str(target), "files": written, "bytes": size})
        return
    print(f"{target}: {len(written)} files, {size:,} bytes")
    for name, length in written.items():
        print(f"    {name}  {length:,}")
    print(f"put it on any static host; to look at it here: python -m http.server --directory {target}")


def _onnx(run: str, target: Path, *, force: bool, json: bool) -> None:
    from charloom.cli import files
    from charloom.cli.output import print_json
    from charloom.models.model_folder import model_folder, read_model

    path = files.target(target, force=force, otherwise="choose another name")
    model = read_model(model_folder(run))
    from charloom.export.onnx_check import largest_difference
    from charloom.export.onnx_graph import OPSET, onnx_graph

    data = onnx_graph(model).SerializeToString()
    difference = largest_difference(data, model)
    size = files.write(path, data)
    if json:
        print_json({"output": str(target), "bytes": size, "opset": OPSET, "largest_difference": difference})
        return
    print(f"{target}: {size:,} bytes, opset {OPSET}")
    if difference is not None:
        print(f"its logits differ from charloom's by at most {difference:.1e} in onnxruntime")


def _name(run: str) -> str:
    """What the page calls the model: the run's name, without the suffix of a packed file or a revision."""
    path = Path(run)
    path = path.resolve() if path.exists() else path
    path = path.parent if path.name == "model" else path
    return path.name.removesuffix(".zip").partition("@")[0]
