"""People read names, guests get numbers."""

from gunyah_emu.abi.errors import ERROR_CODES, UNIMPLEMENTED, error_name


def test_names_and_codes_belong_together():
    assert ERROR_CODES["CSPACE_CAP_REVOKED"] == 51
    assert error_name(51) == "CSPACE_CAP_REVOKED"


def test_minus_one_has_a_name_in_both_widths():
    assert error_name(UNIMPLEMENTED) == error_name(0xFFFF_FFFF_FFFF_FFFF) == "UNIMPLEMENTED"


def test_an_unknown_code_stays_a_number():
    assert error_name(77) == "77"
