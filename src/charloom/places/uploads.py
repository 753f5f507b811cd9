"""Puts the files of a model on a hub, as one commit."""

import warnings
from collections.abc import Mapping

from charloom.errors import FolderError
from charloom.places.addresses import Address
from charloom.places.downloads import hub_errors
from charloom.places.endpoint import endpoint, host


def upload(
    files: Mapping[str, bytes],
    where: Address,
    *,
    private: bool | None = None,
    create_pr: bool = False,
    token: str | bool | None = None,
) -> str:
    """Upload files by their names into a repository, which is created if there is none; returns where to look at it.

    `private`, `create_pr` and `token` are as in huggingface_hub. Either all files arrive or none. Raises `FolderError`,
    and `MissingExtraError` without the extra `hub`.
    """
    with hub_errors(where, f"uploading {where} to {host()}"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the hub about the card, which its page shows too
        from huggingface_hub import CommitOperationAdd, HfApi

        api = HfApi(endpoint=endpoint(), token=token, library_name="charloom")
        if not create_pr:
            api.create_repo(where.repository, private=private, exist_ok=True)
        if private and not api.model_info(where.repository).private:
            raise FolderError(f"{where.repository} exists and everybody can see it; make it private at {host()} first")
        done = api.create_commit(
            where.repository,
            [CommitOperationAdd(name, data) for name, data in sorted(files.items())],
            commit_message="Upload a model with charloom",
            revision=where.revision,
            create_pr=create_pr,
        )
        return str(done.pr_url or f"{endpoint()}/{where.repository}")
