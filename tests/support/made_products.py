"""Making products of many files by script: small trees laid out as Sentinel-2 and Landsat products are."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from made_scenes import write_tiff
from rasterio.errors import NotGeoreferencedWarning

CORNER = (600000.0, 5100000.0)
SIZES = {"10m": 10, "20m": 20, "60m": 60}
NATIVE = {"10m": ("B02", "B03", "B04", "B08"), "20m": ("B05", "B06", "B07", "B8A", "B11", "B12"), "60m": ("B01", "B09")}
SIDE = 4320  # m: 432, 216 and 72 pixels
PHYSICAL = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
TILE = "T33TUM"
LANDSAT = "LC08_L2SP_107035_20150502_20200909_02_T1"


def grid(metres: float) -> dict[str, Any]:
    """Give the place of a product on a grid of a pixel size."""
    return {"crs": "EPSG:32633", "transform": Affine(metres, 0.0, CORNER[0], 0.0, -metres, CORNER[1])}


def write_jp2(path: Path, pixels: np.ndarray, **profile: Any) -> Path:
    """Write (C, H, W) as lossless JPEG 2000."""
    flat = write_tiff(path.with_suffix(".flat.tif"), pixels, **profile)
    with warnings.catch_warnings(), rasterio.Env(GDAL_PAM_ENABLED="NO"):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        rasterio.shutil.copy(str(flat), str(path), driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    flat.unlink()
    return path


def numbers(band: str, metres: int, side: int = SIDE) -> np.ndarray:
    """Give the stored values of a band, uint16 (1, H, W): smooth, above 1000, different for every band."""
    n = side // metres
    rows, cols = np.mgrid[0:n, 0:n]
    seed = sum(map(ord, band))
    return (2000 + 10 * seed % 997 + 500 * np.sin(rows / (5 + seed % 7)) * np.cos(cols / 6)).astype(np.uint16)[None]


def make_safe(
    folder: Path, *, level: str = "2A", baseline: str | None = "04.00", offset: int | dict[str, int] | None = -1000,
    quantification: str = "10000", ending: str = ".jp2", sizes: tuple[str, ...] = ("10m", "20m", "60m"), head: str = "", edit: Any = None,
) -> Path:  # fmt: skip
    """Make a product folder; `offset` may differ by physical band, `edit` is called with each band's open file (.tif only)."""
    stamp = "20220125T100311"
    root = folder / f"S2A_MSIL{level}_{stamp}_N0400_R122_{TILE}_20220125T120000.SAFE"
    granule = f"GRANULE/L{level}_{TILE}_A034418_{stamp}"
    (root / granule / "QI_DATA").mkdir(parents=True)
    listed: list[str] = []

    def put(name: str, pixels: np.ndarray, metres: int) -> None:
        listed.append(name)
        path = root / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if ending == ".jp2":
            write_jp2(path, pixels, **grid(metres))
        else:
            write_tiff(path, pixels, **grid(metres), **({"edit": edit} if edit else {}))

    for size in sizes:
        metres = SIZES[size]
        for band in (*NATIVE[size], *(("B02", "SCL", "AOT") if level == "2A" and size != "10m" else ())):
            pixels = numbers(band, metres) if band != "SCL" else np.full((1, SIDE // metres, SIDE // metres), 4, np.uint8)
            if band == "SCL":
                pixels[0, 3, 5], pixels[0, 9, 9], pixels[0, 20, 20] = 1, 0, 9  # defective, no data, cloud
            elif band == "B03":
                pixels[0, 7, 8] = 0
            below = f"IMG_DATA/R{size}/{TILE}_{stamp}_{band}_{size}" if level == "2A" else f"IMG_DATA/{TILE}_{stamp}_{band}"
            put(f"{granule}/{below}", pixels, metres)
    write_jp2(root / granule / "QI_DATA" / "MSK_CLDPRB_20m.jp2", np.full((1, 216, 216), 50, np.uint8), **grid(20))

    key, name = ("BOA_", "BOA_ADD_OFFSET") if level == "2A" else ("", "RADIO_ADD_OFFSET")
    by_band = offset if isinstance(offset, dict) else dict.fromkeys(PHYSICAL, offset)
    offsets = "" if offset is None else "".join(f'<{name} band_id="{i}">{by_band[b]}</{name}>' for i, b in enumerate(PHYSICAL))
    spectral = "".join(f'<Spectral_Information bandId="{i}" physicalBand="{b}"/>' for i, b in enumerate(PHYSICAL))
    files = "".join(f"<IMAGE_FILE>{entry}</IMAGE_FILE>" for entry in listed)
    (root / f"MTD_MSIL{level}.xml").write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>{head}
<n1:Level-{level}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{level}.xsd"><n1:General_Info>
<Product_Info><PRODUCT_START_TIME>2022-01-25T10:03:11.024Z</PRODUCT_START_TIME><PRODUCT_URI>{root.name}</PRODUCT_URI>
<PROCESSING_LEVEL>Level-{level}</PROCESSING_LEVEL>{f"<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>" if baseline else ""}
<Datatake><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME></Datatake>
<Product_Organisation><Granule_List><Granule>{files}</Granule></Granule_List></Product_Organisation></Product_Info>
<Product_Image_Characteristics><QUANTIFICATION_VALUES_LIST><{key}QUANTIFICATION_VALUE>{quantification}</{key}QUANTIFICATION_VALUE>
</QUANTIFICATION_VALUES_LIST><OFFSETS>{offsets}</OFFSETS><Spectral_Information_List>{spectral}</Spectral_Information_List>
</Product_Image_Characteristics></n1:General_Info></n1:Level-{level}_User_Product>
"""
    )
    return root


def make_landsat(folder: Path, *, level: int = 2, name: str = LANDSAT, gains: tuple[float, float] | None = None, sun: float = 30.0) -> Path:
    """Make a Landsat 8 scene of 80 x 90 pixels; gives its MTL file. `gains`: reflectance multipliers of bands 2-3 and of band 4."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(8)

    def put(ending: str, pixels: np.ndarray, metres: int = 30) -> str:
        write_tiff(folder / f"{name}_{ending}.TIF", pixels, **grid(metres))
        return f"{name}_{ending}.TIF"

    def measured(scale: int = 1) -> np.ndarray:
        pixels = rng.integers(7273, 43636, (1, 80 * scale, 90 * scale)).astype(np.uint16)
        pixels[0, :4] = 0
        return pixels

    quality = np.full((1, 80, 90), 21824, np.uint16)  # clear
    quality[0, :4] = 1  # fill
    quality[0, 40, 41] = 1
    quality[0, 50, 51] = 22280  # high confidence of cloud
    surface, thermal = ("SR_B", "ST_B10") if level == 2 else ("B", "B10")
    contents = [f'FILE_NAME_BAND_{n} = "{put(f"{surface}{n}", measured())}"' for n in (2, 3, 4)]
    contents += [f'FILE_NAME_BAND_{"ST_B10" if level == 2 else "10"} = "{put(thermal, measured())}"']
    if level == 1:
        contents += [f'FILE_NAME_BAND_8 = "{put("B8", measured(2), 15)}"']
    contents += [
        f'FILE_NAME_QUALITY_L1_PIXEL = "{put("QA_PIXEL", quality)}"',
        f'FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION = "{name}_QA_RADSAT.TIF"',
    ]
    put("QA_RADSAT", np.zeros((1, 80, 90), np.uint16))
    first, last = gains or (2.0e-05, 2.0e-05)
    raw = [f"REFLECTANCE_MULT_BAND_{n} = {last if n == 4 else first}" for n in (2, 3, 4, 8)] + [
        f"REFLECTANCE_ADD_BAND_{n} = -0.1" for n in (2, 3, 4, 8)
    ]
    raw += ["RADIANCE_MULT_BAND_10 = 3.342E-04", "RADIANCE_ADD_BAND_10 = 0.1"]
    second = [f"REFLECTANCE_MULT_BAND_{n} = 2.75e-05" for n in (2, 3, 4)] + [f"REFLECTANCE_ADD_BAND_{n} = -0.2" for n in (2, 3, 4)]
    groups = {
        "PRODUCT_CONTENTS": [f'PROCESSING_LEVEL = "{"L2SP" if level == 2 else "L1TP"}"', *contents],
        "IMAGE_ATTRIBUTES": [
            'SPACECRAFT_ID = "LANDSAT_8"', 'SENSOR_ID = "OLI_TIRS"', "DATE_ACQUIRED = 2015-05-02", 'SCENE_CENTER_TIME = "01:15:10.1Z"',
            f"SUN_ELEVATION = {sun}",
        ],
        **({"LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": second} if level == 2 else {}),
        **({"LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": ["TEMPERATURE_MULT_BAND_ST_B10 = 0.00341802", "TEMPERATURE_ADD_BAND_ST_B10 = 149.0"]}
           if level == 2 else {}),
        "LEVEL1_PROCESSING_RECORD": ['PROCESSING_LEVEL = "L1TP"', 'FILE_NAME_BAND_2 = "of_level_1.TIF"'] if level == 2 else [],
        "LEVEL1_RADIOMETRIC_RESCALING": raw,
    }  # fmt: skip
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, body in groups.items():
        lines += [f"  GROUP = {group}", *(f"    {line}" for line in body), f"  END_GROUP = {group}"]
    path = folder / f"{name}_MTL.txt"
    path.write_text("\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END"]) + "\n")
    return path
