"""`python -m azureml_emulator` is `azureml-emulator`."""

from azureml_emulator.cli import main

if __name__ == "__main__":
    main()
