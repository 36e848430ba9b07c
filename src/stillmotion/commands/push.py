"""stillmotion push: put a trained model on the Hugging Face hub."""

from stillmotion.commands.shared import Arguments
from stillmotion.parsing import Parser


def run(arguments: Arguments) -> int:
    """Upload, or write what would be uploaded."""
    parser = Parser(
        "push",
        "RUN USER/NAME --license ID [options]",
        "Put a trained model on the Hugging Face hub: what was trained, the class names, and a "
        "model card with the scores of the run. The image model stays where it is. Log in with "
        "`hf auth login` before. Example: stillmotion push runs/doors me/doors --license "
        "apache-2.0 --dry_run doors-card",
    )
    parser.add_argument("run", help="a directory written by train or save_pretrained")
    parser.add_argument("repo", help="where to: user/name")
    parser.add_argument("--license", type=str, required=True, help="such as apache-2.0, cc-by-4.0")
    parser.add_argument("--private", action="store_true", help="make it for its owner alone")
    parser.add_argument(
        "--dry_run", type=str | None, default=None, help="folder to write, in place of uploading"
    )
    values = parser.parse(arguments)
    from stillmotion.hub import prepare, push

    source, repo, licence = values["run"], values["repo"], values["license"]
    if values["dry_run"]:
        prepare(source, values["dry_run"], repo=repo, licence=licence)
        print(f"{values['dry_run']}: what would go to {repo}")
        return 0
    address = push(source, repo, licence=licence, private=values["private"])
    print(f"{address}\nnow, anywhere: stillmotion predict {repo} VIDEO")
    return 0
