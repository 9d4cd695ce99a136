import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Tiny networks gain nothing from threads, and lose much where other tests run at the same time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run_python(environment: None) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Python in a process of its own, given these words."""

    def call(*words: object) -> subprocess.CompletedProcess[str]:
        variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        given = [sys.executable, *map(str, words)]
        return subprocess.run(given, capture_output=True, text=True, check=False, env=variables)

    return call
