from kfp_azureml.azureml.content_hash import content_hash, text_hash
from kfp_azureml.models.model_folder import hash_files


def folder(path, files):
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def hashed(path, files):
    return hash_files(folder(path, files))


def test_the_same_files_have_the_same_hash_wherever_they_lie(tmp_path):
    files = {"a.txt": "1", "sub/b.txt": "2"}
    assert content_hash(hashed(tmp_path / "one", files)) == content_hash(hashed(tmp_path / "two", files))


def test_content_name_and_place_all_count(tmp_path):
    variants = [{"a": "1"}, {"a": "2"}, {"b": "1"}, {"sub/a": "1"}, {"a": "1", "b": ""}]
    hashes = {content_hash(hashed(tmp_path / str(number), files)) for number, files in enumerate(variants)}
    assert len(hashes) == len(variants)


def test_bytecode_caches_do_not_count(tmp_path):
    before = content_hash(hashed(tmp_path, {"score.py": "pass"}))
    folder(tmp_path, {"__pycache__/score.cpython-311.pyc": "bytes"})
    assert content_hash(hash_files(tmp_path)) == before


def test_texts_do_not_run_into_each_other():
    assert text_hash("ab", "c") != text_hash("a", "bc")
