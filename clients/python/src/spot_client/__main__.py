"""`python -m spot_client` is the command `spot`."""

from spot_client.command.main import main

if __name__ == "__main__":
    raise SystemExit(main())
